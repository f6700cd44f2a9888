#include <algorithm>
#include <cmath>
#include <utility>

#include "cost/energy.h"
#include "cost/estimate.h"
#include "policy/learning_rate.h"
#include "policy/planner.h"

namespace salf::policy {
namespace {

using types::BudgetUnit;

constexpr std::int64_t kMostEvaluations = 8;
constexpr double kEvaluationShare = 0.1;  // of the budget
// Analysis and timing take a little longer at the next try; the smallest budget must pay for them
// then too.
constexpr double kHeadroom = 1.05;

// To three digits.
double rounded_up(double amount) {
  const double digit = std::pow(10.0, std::floor(std::log10(amount)) - 2.0);
  return std::ceil(amount / digit) * digit;
}

}  // namespace

std::int64_t whole_steps(double steps) {
  return static_cast<std::int64_t>(std::floor(std::min(steps, 1e15) * (1.0 + 1e-12)));
}

std::int64_t most_steps(const PlanInputs& inputs) {
  return std::max<std::int64_t>(
      1, whole_steps(inputs.max_epochs * static_cast<double>(inputs.data.batches) /
                     static_cast<double>(inputs.accumulate)));
}

Prices::Prices(types::ModelShape shape, const types::MeasuredCost& cost, const PlanInputs& inputs)
    : shape_(std::move(shape)), cost_(cost), inputs_(inputs),
      counts_(inputs.budget.unit == BudgetUnit::kTokens ||
              inputs.budget.unit == BudgetUnit::kSteps ||
              inputs.budget.unit == BudgetUnit::kEpochs),
      in_seconds_(!inputs.budget.deterministic()),
      clock_seconds_(inputs.budget.unit == BudgetUnit::kSeconds ? inputs.budget.amount
                                                                : inputs.budget_seconds),
      steps_per_epoch_(
          static_cast<double>(inputs.data.batches) / static_cast<double>(inputs.accumulate)),
      most_steps_(policy::most_steps(inputs)), required_(std::min(inputs.min_steps, most_steps_)),
      capacity_(in_seconds_ ? clock_seconds_ * (1.0 - kTimeMargin)
                : counts_   ? 0.0
                            : budget_flops(shape_, inputs)) {}

types::Arm Prices::arm(std::int64_t cut) const {
  if (!shape_.block_trained_parameters.empty()) return types::Arm::kLora;
  return cut == 0 ? types::Arm::kFull : types::Arm::kFreeze;
}

Price Prices::price(std::int64_t cut) const {
  Price price;
  price.fixed =
      in_seconds_ ? inputs_.spent_seconds + cost::save_seconds(cost_, shape_) : inputs_.spent_flops;
  const types::CostBreakdown step = in_seconds_ ? step_seconds(cut) : step_flops(cut);
  price.step = step.total();
  price.later_step = step.total() - (cached_blocks(cut) > 0 ? step.prefix : 0.0);
  price.evaluations = in_seconds_ ? evaluation_seconds(cut) : evaluation_flops(cut);
  return price;
}

types::CostBreakdown Prices::step_seconds(std::int64_t cut) const {
  return cost::step_seconds(cost_, shape_, inputs_.data, cut, inputs_.accumulate);
}

types::CostBreakdown Prices::step_flops(std::int64_t cut) const {
  return cost::step_flops(shape_, inputs_.data, cut, inputs_.accumulate);
}

EvaluationPrice Prices::evaluation_seconds(std::int64_t cut) const {
  const cost::BatchShape dev = cost::dev_batch(inputs_.data);
  return {cost::evaluation_seconds(cost_, shape_.blocks, dev),
      cost::evaluation_seconds(cost_, shape_.blocks - cached_blocks(cut), dev),
      inputs_.first_evaluation};
}

EvaluationPrice Prices::evaluation_flops(std::int64_t cut) const {
  const cost::BatchShape dev = cost::dev_batch(inputs_.data);
  return {cost::evaluation_flops(shape_, dev),
      cost::evaluation_flops(shape_, dev, cached_blocks(cut)), inputs_.first_evaluation};
}

types::CostBreakdown Prices::over_steps(const types::CostBreakdown& one, std::int64_t cut,
    std::int64_t steps, std::int64_t before) const {
  types::CostBreakdown all = cost::scaled(one, static_cast<double>(steps));
  if (cached_blocks(cut) > 0)
    all.prefix = one.prefix * std::clamp(steps_per_epoch_ - static_cast<double>(before), 0.0,
                                  static_cast<double>(steps));
  return all;
}

std::int64_t Prices::counted_steps() const {
  const double amount = inputs_.budget.amount;
  if (inputs_.budget.unit == BudgetUnit::kSteps) return whole_steps(amount);
  if (inputs_.budget.unit == BudgetUnit::kEpochs) return whole_steps(amount * steps_per_epoch_);
  return whole_steps(amount / tokens_per_step());
}

double Prices::tokens_per_step() const {
  return std::max(1.0, static_cast<double>(inputs_.data.real_tokens) / steps_per_epoch_);
}

std::int64_t Prices::affordable_steps(std::int64_t cut, std::int64_t evaluations) const {
  if (counts_) return counted_steps();
  const Price paid = price(cut);
  const double left = capacity_ - paid.fixed - paid.evaluations.of(evaluations);
  if (!(left > 0.0) || !(paid.step > 0.0)) return 0;
  return std::min(most_steps_,
      whole_steps(cost::steps_for(left, paid.step, paid.later_step, steps_per_epoch_)));
}

types::Candidate Prices::candidate(std::int64_t cut) const {
  types::Candidate candidate;
  candidate.arm = arm(cut);
  candidate.cut = cut;
  candidate.trained_parameters = shape_.trained_parameters(cut);
  const std::int64_t steps = affordable_steps(cut, kFewestEvaluations);
  candidate.fits = steps >= required_steps();
  fill(candidate, steps);
  return candidate;
}

double Prices::rule_rate(types::Arm arm, std::int64_t cut, std::int64_t steps) const {
  const double factor = inputs_.trials ? trial_rate_factor(*inputs_.trials, arm, cut) : 1.0;
  return std::min(
      1.0, factor * learning_rate(shape_, arm, cut, static_cast<double>(steps) / steps_per_epoch_));
}

void Prices::fill(types::Candidate& candidate, std::int64_t steps) const {
  const std::int64_t cut = candidate.cut;
  candidate.steps = steps;
  candidate.tokens = static_cast<double>(steps) * tokens_per_step();
  candidate.learning_rate =
      inputs_.learning_rate ? *inputs_.learning_rate : rule_rate(*candidate.arm, cut, steps);
  const types::CostBreakdown seconds = run_seconds(cut, candidate.steps, kFewestEvaluations);
  const types::CostBreakdown flops = run_flops(cut, candidate.steps, kFewestEvaluations);
  candidate.step_seconds = step_seconds(cut).total();
  candidate.step_flops = step_flops(cut).total();
  candidate.seconds = seconds.total();
  candidate.flops = flops.total();
  const double bytes = memory_bytes(cut, candidate.steps);
  if (bytes > 0.0) candidate.memory_bytes = bytes;
  if (!inputs_.rates) return;
  const types::Footprint taken = cost::footprint(*inputs_.rates, candidate.seconds);
  candidate.energy_joules = taken.energy_joules;
  candidate.gco2 = taken.gco2;
  candidate.money = taken.money;
}

double Prices::memory_bytes(std::int64_t cut, std::int64_t steps) const {
  const bool cached = inputs_.cache && static_cast<double>(steps) > steps_per_epoch_;
  return cost::peak_bytes(cost_, shape_, cut, {inputs_.batch_tokens, cached, inputs_.recompute});
}

types::CostBreakdown Prices::run_seconds(
    std::int64_t cut, std::int64_t steps, std::int64_t evaluations) const {
  types::CostBreakdown seconds = over_steps(step_seconds(cut), cut, steps);
  seconds.evaluation = evaluation_seconds(cut).of(evaluations);
  seconds.fixed += inputs_.spent_seconds + cost::save_seconds(cost_, shape_);
  return seconds;
}

types::CostBreakdown Prices::run_flops(
    std::int64_t cut, std::int64_t steps, std::int64_t evaluations) const {
  types::CostBreakdown flops = over_steps(step_flops(cut), cut, steps);
  flops.evaluation = evaluation_flops(cut).of(evaluations);
  flops.fixed = inputs_.spent_flops;
  return flops;
}

std::int64_t Prices::evaluations(std::int64_t cut) const {
  if (inputs_.data.dev_documents == 0) return 0;
  const std::int64_t steps = affordable_steps(cut, kFewestEvaluations);
  std::int64_t count =
      std::clamp<std::int64_t>(steps / 20 + 1, kFewestEvaluations, kMostEvaluations);
  const Price paid = price(cut);
  const double allowed =
      kEvaluationShare * (counts_ ? static_cast<double>(steps) * paid.step : capacity_);
  while (count > kFewestEvaluations && (paid.evaluations.of(count) > allowed ||
                                           affordable_steps(cut, count) < required_steps())) {
    --count;
  }
  return count;
}

types::Budget Prices::smallest(std::int64_t cut) const {
  types::Budget budget = inputs_.budget;
  if (counts_) {
    budget.amount = 1.0;
    if (budget.unit == BudgetUnit::kTokens) budget.amount = std::ceil(tokens_per_step());
    if (budget.unit == BudgetUnit::kEpochs)
      budget.amount = std::ceil(1000.0 / steps_per_epoch_) / 1000.0;
    return budget;
  }
  const Price paid = price(cut);
  const double steps = static_cast<double>(required_) + 0.01;
  const double first = std::min(steps, steps_per_epoch_);
  const double needed = paid.fixed + paid.evaluations.of(kFewestEvaluations) + first * paid.step +
                        (steps - first) * paid.later_step;
  if (in_seconds_) {
    const double seconds = kHeadroom * needed / (1.0 - kTimeMargin);
    budget.amount = seconds > 600.0 ? 60.0 * std::ceil(seconds / 60.0) : std::ceil(seconds);
    if (inputs_.budget.unit != BudgetUnit::kSeconds)
      budget.amount = rounded_up(seconds * inputs_.budget.amount / clock_seconds_);
  } else if (budget.unit == BudgetUnit::kShare) {
    const double full = budget_flops(shape_, inputs_) / inputs_.budget.amount;
    budget.amount = std::ceil(1000.0 * needed / full) / 1000.0;
  } else {
    budget.amount = rounded_up(needed);
  }
  return budget;
}

}  // namespace salf::policy
