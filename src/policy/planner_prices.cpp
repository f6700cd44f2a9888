#include "planner.h"

#include <algorithm>
#include <cmath>

#include "salf/cost/energy.h"
#include "salf/cost/estimate.h"
#include "salf/policy/learning_rate.h"

namespace salf::policy {
namespace {

using types::BudgetUnit;

constexpr std::int64_t kMostEvaluations = 8;
constexpr double kEvaluationShare = 0.1;  // of the budget
// Analysis and timing take a little longer at the next try; the smallest budget must pay for them
// then too.
constexpr double kHeadroom = 1.05;

}  // namespace

Price Planner::price(std::int64_t eof) const {
  Price price;
  price.fixed = in_seconds_ ? inputs_.spent_seconds + cost::save_seconds(inputs_.cost, shape_) : inputs_.spent_flops;
  const types::CostBreakdown step = in_seconds_ ? step_seconds(eof) : step_flops(eof);
  price.step = step.total();
  price.later_step = step.total() - (caches(eof) ? step.prefix : 0.0);
  price.first_evaluation = in_seconds_ ? evaluation_seconds(0) : evaluation_flops(0);
  const std::int64_t below = caches(eof) ? eof : 0;
  price.evaluation = in_seconds_ ? evaluation_seconds(below) : evaluation_flops(below);
  return price;
}

bool Planner::caches(std::int64_t eof) const { return inputs_.cache && eof > 0; }

types::CostBreakdown Planner::step_seconds(std::int64_t eof) const {
  return cost::step_seconds(inputs_.cost, shape_, inputs_.data, eof, inputs_.accumulate);
}

types::CostBreakdown Planner::step_flops(std::int64_t eof) const {
  return cost::step_flops(shape_, inputs_.data, eof, inputs_.accumulate);
}

double Planner::evaluation_seconds(std::int64_t from) const {
  return cost::evaluation_seconds(inputs_.cost, shape_.blocks - from, cost::dev_batch(inputs_.data));
}

double Planner::evaluation_flops(std::int64_t from) const {
  return cost::evaluation_flops(shape_, cost::dev_batch(inputs_.data), from);
}

types::CostBreakdown Planner::over_steps(const types::CostBreakdown& one, std::int64_t eof, std::int64_t steps, std::int64_t before) const {
  types::CostBreakdown all = cost::scaled(one, static_cast<double>(steps));
  if (caches(eof)) all.prefix = one.prefix * std::clamp(steps_per_epoch_ - static_cast<double>(before), 0.0, static_cast<double>(steps));
  return all;
}

std::int64_t Planner::counted_steps() const {
  const double amount = inputs_.budget.amount;
  if (inputs_.budget.unit == BudgetUnit::kSteps) return whole_steps(amount);
  if (inputs_.budget.unit == BudgetUnit::kEpochs) return whole_steps(amount * steps_per_epoch_);
  return whole_steps(amount / tokens_per_step());
}

double Planner::tokens_per_step() const {
  return std::max(1.0, static_cast<double>(inputs_.data.real_tokens) / steps_per_epoch_);
}

std::int64_t Planner::affordable_steps(std::int64_t eof, std::int64_t evaluations) const {
  if (counts_) return counted_steps();
  const Price paid = price(eof);
  const double left = capacity_ - paid.fixed - paid.evaluations(evaluations);
  if (!(left > 0.0) || !(paid.step > 0.0)) return 0;
  return std::min(most_steps_, whole_steps(cost::steps_for(left, paid.step, paid.later_step, steps_per_epoch_)));
}

bool Planner::enough(std::int64_t steps) const { return counts_ ? steps >= 1 : steps >= required_; }

types::Candidate Planner::candidate(std::int64_t eof) const {
  types::Candidate candidate;
  candidate.arm = arm(eof);
  candidate.eof = eof;
  candidate.trained_parameters = shape_.trained_parameters(eof);
  candidate.learning_rate = inputs_.learning_rate ? *inputs_.learning_rate : rule_rate(*candidate.arm, eof);
  const std::int64_t steps = affordable_steps(eof, kFewestEvaluations);
  candidate.fits = enough(steps);
  fill(candidate, steps);
  return candidate;
}

double Planner::rule_rate(types::Arm arm, std::int64_t eof) const {
  const double factor = inputs_.probes ? probed_rate_factor(*inputs_.probes, arm, eof) : 1.0;
  return std::min(1.0, factor * learning_rate(shape_, arm, eof));
}

void Planner::fill(types::Candidate& candidate, std::int64_t steps) const {
  const std::int64_t eof = candidate.eof;
  candidate.steps = steps;
  candidate.tokens = static_cast<double>(steps) * tokens_per_step();
  const types::CostBreakdown seconds = run_seconds(eof, candidate.steps, kFewestEvaluations);
  const types::CostBreakdown flops = run_flops(eof, candidate.steps, kFewestEvaluations);
  candidate.step_seconds = step_seconds(eof).total();
  candidate.step_flops = step_flops(eof).total();
  candidate.seconds = seconds.total();
  candidate.flops = flops.total();
  const double bytes = cost::peak_bytes(inputs_.cost, shape_, eof, memory_options(candidate.steps));
  if (bytes > 0.0) candidate.memory_bytes = bytes;
  if (!inputs_.rates) return;
  const types::Footprint taken = cost::footprint(*inputs_.rates, candidate.seconds);
  candidate.energy_joules = taken.energy_joules;
  candidate.gco2 = taken.gco2;
  candidate.money = taken.money;
}

cost::MemoryOptions Planner::memory_options(std::int64_t steps) const {
  return {inputs_.batch_tokens, inputs_.cache && static_cast<double>(steps) > steps_per_epoch_, inputs_.recompute};
}

types::CostBreakdown Planner::run_seconds(std::int64_t eof, std::int64_t steps,
                                 std::int64_t evaluations) const {
  types::CostBreakdown seconds = over_steps(step_seconds(eof), eof, steps);
  if (evaluations > 0) {
    seconds.evaluation =
        evaluation_seconds(0) + static_cast<double>(evaluations - 1) * evaluation_seconds(caches(eof) ? eof : 0);
  }
  seconds.fixed += inputs_.spent_seconds + cost::save_seconds(inputs_.cost, shape_);
  return seconds;
}

types::CostBreakdown Planner::run_flops(std::int64_t eof, std::int64_t steps,
                               std::int64_t evaluations) const {
  types::CostBreakdown flops = over_steps(step_flops(eof), eof, steps);
  if (evaluations > 0) {
    flops.evaluation =
        evaluation_flops(0) + static_cast<double>(evaluations - 1) * evaluation_flops(caches(eof) ? eof : 0);
  }
  flops.fixed = inputs_.spent_flops;
  return flops;
}

std::int64_t Planner::evaluations(std::int64_t eof) const {
  if (inputs_.data.dev_documents == 0) return 0;
  const std::int64_t steps = affordable_steps(eof, kFewestEvaluations);
  std::int64_t count =
      std::clamp<std::int64_t>(steps / 20 + 1, kFewestEvaluations, kMostEvaluations);
  const Price paid = price(eof);
  const double allowed =
      kEvaluationShare * (counts_ ? static_cast<double>(steps) * paid.step : capacity_);
  while (count > kFewestEvaluations && (paid.evaluations(count) > allowed ||
                                        !enough(affordable_steps(eof, count)))) {
    --count;
  }
  return count;
}

void Planner::set_steps(types::FreezePlan& plan, std::int64_t steps) const {
  plan.steps = steps;
  plan.epochs = static_cast<double>(steps) / steps_per_epoch_;
  plan.tokens = std::llround(plan.epochs * static_cast<double>(inputs_.data.real_tokens));
}

void Planner::settle(types::FreezePlan& plan) const {
  plan.evaluations = evaluations(plan.eof);
  std::int64_t steps = affordable_steps(plan.eof, std::max(plan.evaluations, kFewestEvaluations));
  plan.most_steps = most_steps_;
  if (inputs_.max_loss_increase) {
    steps = std::min(steps, plan.candidates[index(plan.eof)].steps);
    plan.most_steps = std::max<std::int64_t>(1, steps);
  }
  set_steps(plan, steps);
  plan.learning_rate =
      plan.candidates[index(plan.eof)].learning_rate;
  plan.predicted_seconds = run_seconds(plan.eof, plan.steps, plan.evaluations);
  plan.predicted_flops = run_flops(plan.eof, plan.steps, plan.evaluations);
  plan.full_step_seconds = plan.candidates.front().step_seconds;
  plan.full_step_flops = plan.candidates.front().step_flops;
  if (!counts_ && !in_seconds_) {
    plan.budget_flops =
        std::max(0.0, capacity_ - plan.predicted_flops.fixed - plan.predicted_flops.evaluation);
  }
}

void Planner::price_plan(types::FreezePlan& plan) const {
  const double bytes = cost::peak_bytes(inputs_.cost, shape_, plan.eof, memory_options(plan.steps));
  if (bytes > 0.0) plan.memory_bytes = bytes;
  if (!inputs_.rates) return;
  plan.footprint = cost::footprint(*inputs_.rates, plan.predicted_seconds.total());
  plan.full_footprint = cost::footprint(*inputs_.rates, run_seconds(0, plan.steps, plan.evaluations).total());
}

types::Budget Planner::smallest(std::int64_t eof) const {
  types::Budget budget = inputs_.budget;
  if (counts_) {
    budget.amount = 1.0;
    if (budget.unit == BudgetUnit::kTokens) budget.amount = std::ceil(tokens_per_step());
    if (budget.unit == BudgetUnit::kEpochs)
      budget.amount = std::ceil(1000.0 / steps_per_epoch_) / 1000.0;
    return budget;
  }
  const Price paid = price(eof);
  const double steps = static_cast<double>(required_) + 0.01;
  const double first = std::min(steps, steps_per_epoch_);
  const double needed =
      paid.fixed + paid.evaluations(kFewestEvaluations) + first * paid.step + (steps - first) * paid.later_step;
  if (in_seconds_) {
    const double seconds = kHeadroom * needed / (1.0 - kTimeMargin);
    budget.amount = seconds > 600.0 ? 60.0 * std::ceil(seconds / 60.0) : std::ceil(seconds);
    if (inputs_.budget.unit != BudgetUnit::kSeconds) budget.amount = rounded_up(seconds * inputs_.budget.amount / clock_seconds_);
  } else if (budget.unit == BudgetUnit::kShare) {
    const double full = budget_flops(shape_, inputs_) / inputs_.budget.amount;
    budget.amount = std::ceil(1000.0 * needed / full) / 1000.0;
  } else {
    budget.amount = rounded_up(needed);
  }
  return budget;
}

double Planner::rounded_up(double amount) {
  const double digit = std::pow(10.0, std::floor(std::log10(amount)) - 2.0);
  return std::ceil(amount / digit) * digit;
}

}  // namespace salf::policy
