#include <algorithm>
#include <cmath>

#include "cost/estimate.h"
#include "policy/planner.h"
#include "policy/stages.h"

namespace salf::policy {
// Stages share what the budget leaves, the steps of a budget that counts them.
std::vector<std::int64_t> Planner::stage_steps(const types::FreezePlan& plan) const {
  const Prices& whole = methods_.front();
  const std::size_t count = plan.stages.size();
  double left = static_cast<double>(plan.steps);
  if (whole.in_seconds()) {
    left = whole.capacity() - whole.price(plan.cut).fixed -
           whole.price(plan.cut).evaluations.of(std::max(plan.evaluations, kFewestEvaluations));
    for (std::size_t i = 0; i + 1 < count; ++i)
      left -= whole.price(plan.stages[i]).evaluations.cached;
  }
  std::vector<std::int64_t> steps;
  double done = 0.0;
  for (std::size_t i = 0; i < count; ++i) {
    const double amount =
        left * (types::stage_end(i, count) - (i == 0 ? 0.0 : types::stage_end(i - 1, count)));
    double here = amount;
    if (whole.in_seconds()) {
      const Price paid = whole.price(plan.stages[i]);
      here = cost::steps_for(
          amount, paid.step, paid.later_step, std::max(0.0, whole.steps_per_epoch() - done));
    }
    const double before = std::floor(done + 1e-9);
    done = std::min(done + std::max(0.0, here),
        static_cast<double>(whole.in_seconds() ? whole.most_steps() : plan.steps));
    steps.push_back(static_cast<std::int64_t>(std::floor(done + 1e-9) - before));
  }
  return steps;
}

void Planner::settle_stages(types::FreezePlan& plan) const {
  const std::int64_t deep = choose_cut(types::Rule::kMaxGain, inputs_.parameters, deviation_);
  std::vector<std::int64_t> cuts = stage_cuts(deep, plan.cut, inputs_.stages);
  if (cuts.size() == 1) {
    plan.notes.push_back("there is one stage: max-gain's layer, " + std::to_string(deep) +
                         ", from which stages begin, is no deeper than the cut");
    return;
  }
  plan.stages = std::move(cuts);
  const Prices& whole = methods_.front();
  const std::vector<std::int64_t> steps = stage_steps(plan);
  types::CostBreakdown seconds, flops;
  seconds.evaluation = plan.predicted_seconds.evaluation;
  flops.evaluation = plan.predicted_flops.evaluation;
  std::int64_t done = 0;
  for (std::size_t i = 0; i < steps.size(); ++i) {
    const std::int64_t cut = plan.stages[i];
    seconds = cost::sum(seconds, whole.over_steps(whole.step_seconds(cut), cut, steps[i], done));
    flops = cost::sum(flops, whole.over_steps(whole.step_flops(cut), cut, steps[i], done));
    if (i + 1 < steps.size() && plan.evaluations > 0) {
      seconds.evaluation += whole.evaluation_seconds(cut).cached;
      flops.evaluation += whole.evaluation_flops(cut).cached;
    }
    done += steps[i];
  }
  seconds.fixed += inputs_.spent_seconds + cost::save_seconds(whole.cost(), whole.shape());
  flops.fixed += inputs_.spent_flops;
  plan.predicted_seconds = seconds;
  plan.predicted_flops = flops;
  set_steps(plan, done);
}

}  // namespace salf::policy
