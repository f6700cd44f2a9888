#include <algorithm>
#include <cmath>

#include "planner.h"
#include "salf/cost/estimate.h"
#include "salf/policy/stages.h"

namespace salf::policy {
// Stages share what the budget leaves, the steps of a budget that counts them.
std::vector<std::int64_t> Planner::stage_steps(const types::FreezePlan& plan) const {
  const std::size_t count = plan.stages.size();
  double left = static_cast<double>(plan.steps);
  if (in_seconds_) {
    left = capacity_ - price(plan.eof).fixed - price(plan.eof).evaluations(std::max(plan.evaluations, kFewestEvaluations));
    for (std::size_t i = 0; i + 1 < count; ++i) left -= price(plan.stages[i]).evaluation;
  }
  std::vector<std::int64_t> steps;
  double done = 0.0;
  for (std::size_t i = 0; i < count; ++i) {
    const double amount = left * (types::stage_end(i, count) - (i == 0 ? 0.0 : types::stage_end(i - 1, count)));
    double here = amount;
    if (in_seconds_) {
      const Price paid = price(plan.stages[i]);
      here = cost::steps_for(amount, paid.step, paid.later_step, std::max(0.0, steps_per_epoch_ - done));
    }
    const double before = std::floor(done + 1e-9);
    done = std::min(done + std::max(0.0, here), static_cast<double>(in_seconds_ ? most_steps_ : plan.steps));
    steps.push_back(static_cast<std::int64_t>(std::floor(done + 1e-9) - before));
  }
  return steps;
}

void Planner::settle_stages(types::FreezePlan& plan) const {
  const std::int64_t deep = choose_eof(types::Rule::kMaxGain, inputs_.parameters, deviation_);
  std::vector<std::int64_t> cuts = stage_cuts(deep, plan.eof, inputs_.stages);
  if (cuts.size() == 1) {
    plan.notes.push_back("there is one stage: max-gain's layer, " + std::to_string(deep) + ", from which stages begin, is no deeper than the cut");
    return;
  }
  plan.stages = std::move(cuts);
  const std::vector<std::int64_t> steps = stage_steps(plan);
  types::CostBreakdown seconds, flops;
  seconds.evaluation = plan.predicted_seconds.evaluation;
  flops.evaluation = plan.predicted_flops.evaluation;
  std::int64_t done = 0;
  for (std::size_t i = 0; i < steps.size(); ++i) {
    const std::int64_t eof = plan.stages[i];
    seconds = cost::sum(seconds, over_steps(step_seconds(eof), eof, steps[i], done));
    flops = cost::sum(flops, over_steps(step_flops(eof), eof, steps[i], done));
    if (i + 1 < steps.size() && plan.evaluations > 0) {
      seconds.evaluation += evaluation_seconds(caches(eof) ? eof : 0);
      flops.evaluation += evaluation_flops(caches(eof) ? eof : 0);
    }
    done += steps[i];
  }
  seconds.fixed += inputs_.spent_seconds + cost::save_seconds(inputs_.cost, shape_);
  flops.fixed += inputs_.spent_flops;
  plan.predicted_seconds = seconds;
  plan.predicted_flops = flops;
  set_steps(plan, done);
}

}  // namespace salf::policy
