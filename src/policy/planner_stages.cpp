#include <algorithm>
#include <cmath>
#include <utility>

#include "cost/estimate.h"
#include "policy/planner.h"
#include "policy/stages.h"

namespace salf::policy {

Course Planner::course(const Candidate& chosen) const {
  const Prices& method = prices(chosen);
  Course course;
  course.evaluations = method.evaluations(chosen.cut);
  course.steps =
      method.affordable_steps(chosen.cut, std::max(course.evaluations, kFewestEvaluations));
  if (limits_.max_loss_increase) course.steps = std::min(course.steps, chosen.steps);
  course.seconds =
      method.price(chosen.cut, PriceUnit::kSeconds).run(course.steps, course.evaluations);
  course.flops = method.price(chosen.cut, PriceUnit::kFlops).run(course.steps, course.evaluations);
  if (limits_.stages == 1 || !method.affordable(chosen.cut)) return course;
  const std::int64_t deep = choose_cut(types::Rule::kMaxGain, limits_.parameters, deviation_);
  std::vector<std::int64_t> cuts = stage_cuts(deep, chosen.cut, limits_.stages);
  return cuts.size() == 1 ? course : in_stages(std::move(course), std::move(cuts));
}

// Stages share what the budget leaves, the steps of a budget that counts them.
std::vector<std::int64_t> Planner::stage_steps(
    const std::vector<std::int64_t>& cuts, const Course& course) const {
  const Prices& whole = methods_.front();
  const bool timed = !budget_.deterministic();
  const std::size_t count = cuts.size();
  double left = static_cast<double>(course.steps);
  if (timed) {
    const Price last = whole.price(cuts.back());
    left = whole.capacity() - last.fixed -
           last.evaluations.of(std::max(course.evaluations, kFewestEvaluations));
    for (std::size_t i = 0; i + 1 < count; ++i) left -= whole.price(cuts[i]).evaluations.cached;
  }
  const auto most = static_cast<double>(timed ? terms_.most_steps() : course.steps);
  std::vector<std::int64_t> steps;
  double done = 0.0;
  for (std::size_t i = 0; i < count; ++i) {
    const double amount =
        left * (types::stage_end(i, count) - (i == 0 ? 0.0 : types::stage_end(i - 1, count)));
    double here = amount;
    if (timed) {
      const Price paid = whole.price(cuts[i]);
      here = cost::steps_for(
          amount, paid.first_step(), paid.later_step(), std::max(0.0, paid.steps_per_epoch - done));
    }
    const double before = std::floor(done + 1e-9);
    done = std::min(done + std::max(0.0, here), most);
    steps.push_back(static_cast<std::int64_t>(std::floor(done + 1e-9) - before));
  }
  return steps;
}

Course Planner::in_stages(Course course, std::vector<std::int64_t> cuts) const {
  const std::vector<std::int64_t> steps = stage_steps(cuts, course);
  const auto priced = [&](PriceUnit unit, types::CostBreakdown& all) {
    types::CostBreakdown sum;
    sum.evaluation = all.evaluation;
    std::int64_t done = 0;
    for (std::size_t i = 0; i < steps.size(); ++i) {
      const Price price = methods_.front().price(cuts[i], unit);
      sum = cost::sum(sum, price.steps(steps[i], done));
      if (i + 1 < steps.size() && course.evaluations > 0)
        sum.evaluation += price.evaluations.cached;
      done += steps[i];
    }
    sum.fixed += methods_.front().price(cuts.back(), unit).fixed;
    all = sum;
    return done;
  };
  priced(PriceUnit::kFlops, course.flops);
  course.steps = priced(PriceUnit::kSeconds, course.seconds);
  course.stages = std::move(cuts);
  return course;
}

}  // namespace salf::policy
