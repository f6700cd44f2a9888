#include "policy/prices.h"

#include <cmath>
#include <utility>

#include "cost/estimate.h"

namespace salf::policy {
namespace {

using types::BudgetKind;
using types::BudgetUnit;

constexpr std::int64_t kMostEvaluations = 8;
constexpr double kEvaluationShare = 0.06;  // of the budget
// Analysis and timing take a little longer at the next try; the smallest budget must pay for them
// then too.
constexpr double kHeadroom = 1.05;

// To three digits.
double rounded_up(double amount) {
  const double digit = std::pow(10.0, std::floor(std::log10(amount)) - 2.0);
  return std::ceil(amount / digit) * digit;
}

// Whole steps in a quotient that rounding may have left just below a whole number.
std::int64_t whole_steps(double steps) {
  return static_cast<std::int64_t>(std::floor(std::min(steps, 1e15) * (1.0 + 1e-12)));
}

double capacity_of(const types::ModelShape& shape, const Terms& terms) {
  if (!terms.budget.deterministic()) return terms.budget.clock_seconds() * (1.0 - kTimeMargin);
  return terms.budget.counted() ? 0.0 : budget_flops(shape, terms);
}

std::int64_t counted_steps(const Terms& terms) {
  const double amount = terms.budget.amount;
  if (terms.budget.unit == BudgetUnit::kSteps) return whole_steps(amount);
  if (terms.budget.unit == BudgetUnit::kEpochs)
    return whole_steps(amount * terms.steps_per_epoch());
  return whole_steps(amount / terms.tokens_per_step());
}

// The least that a counted budget may be.
types::Budget one_step(const Terms& terms) {
  types::Budget budget = terms.budget;
  budget.amount = 1.0;
  if (budget.unit == BudgetUnit::kTokens) budget.amount = std::ceil(terms.tokens_per_step());
  if (budget.unit == BudgetUnit::kEpochs)
    budget.amount = std::ceil(1000.0 / terms.steps_per_epoch()) / 1000.0;
  return budget;
}

}  // namespace

// A step takes `accumulate` batches and goes on into the next epoch.
std::int64_t Terms::most_steps() const {
  return std::max<std::int64_t>(1, whole_steps(max_epochs * static_cast<double>(data.batches) /
                                               static_cast<double>(batches.accumulate)));
}

double budget_flops(const types::ModelShape& shape, const Terms& terms) {
  if (terms.budget.unit == BudgetUnit::kFlops) return terms.budget.amount;
  types::ModelShape whole = shape;
  whole.block_trained_parameters.clear();
  const double full = static_cast<double>(terms.most_steps()) *
                          cost::step_flops(whole, terms.data, 0, terms.batches.accumulate).total() +
                      static_cast<double>(kFewestEvaluations) *
                          cost::evaluation_flops(shape, cost::dev_batch(terms.data));
  return terms.budget.amount * full;
}

double EvaluationPrice::of(std::int64_t count) const {
  if (count < 2) return count == 1 && first != FirstEvaluation::kDone ? whole : 0.0;
  if (first == FirstEvaluation::kInTheRun) return whole + static_cast<double>(count - 1) * cached;
  return (first == FirstEvaluation::kDone ? 1.0 : 2.0) * whole +
         static_cast<double>(count - 2) * cached;
}

types::CostBreakdown Price::steps(std::int64_t count, std::int64_t before) const {
  types::CostBreakdown all = cost::scaled(step, static_cast<double>(count));
  if (kept)
    all.prefix = step.prefix * std::clamp(steps_per_epoch - static_cast<double>(before), 0.0,
                                   static_cast<double>(count));
  return all;
}

types::CostBreakdown Price::run(std::int64_t count, std::int64_t evaluated) const {
  types::CostBreakdown all = steps(count);
  all.evaluation = evaluations.of(evaluated);
  all.fixed += fixed;
  return all;
}

Prices::Prices(types::ModelShape shape, const types::MeasuredCost& cost, const Terms& terms)
    : shape_(std::move(shape)), cost_(cost), terms_(terms),
      unit_(terms.budget.deterministic() ? PriceUnit::kFlops : PriceUnit::kSeconds),
      capacity_(capacity_of(shape_, terms)) {}

types::Arm Prices::arm(std::int64_t cut) const {
  if (method() == types::Method::kLora) return types::Arm::kLora;
  return cut == 0 ? types::Arm::kFull : types::Arm::kFreeze;
}

Price Prices::price(std::int64_t cut, PriceUnit unit) const {
  const cost::BatchShape dev = cost::dev_batch(terms_.data);
  const std::int64_t accumulate = terms_.batches.accumulate;
  const std::int64_t cached = terms_.batches.cache ? cut : 0;  // blocks whose output is kept
  Price price;
  price.kept = cached > 0;
  price.steps_per_epoch = terms_.steps_per_epoch();
  if (unit == PriceUnit::kSeconds && !timed()) return price;
  if (unit == PriceUnit::kSeconds) {
    price.step = cost::step_seconds(cost_, shape_, terms_.data, cut, accumulate);
    if (sharded()) price.step.optimizer /= static_cast<double>(terms_.batches.ranks);
    price.fixed = terms_.spent.seconds + cost::save_seconds(cost_, shape_);
    price.evaluations.whole = cost::evaluation_seconds(cost_, shape_.blocks, dev);
    price.evaluations.cached = cost::evaluation_seconds(cost_, shape_.blocks - cached, dev);
  } else {
    price.step = cost::step_flops(shape_, terms_.data, cut, accumulate);
    price.fixed = terms_.spent.flops;
    price.evaluations.whole = cost::evaluation_flops(shape_, dev);
    price.evaluations.cached = cost::evaluation_flops(shape_, dev, cached);
  }
  price.evaluations.first = terms_.spent.first_evaluation;
  return price;
}

std::int64_t Prices::affordable_steps(std::int64_t cut, std::int64_t evaluations) const {
  if (terms_.budget.counted()) return counted_steps(terms_);
  const Price paid = price(cut);
  const double left = capacity_ - paid.fixed - paid.evaluations.of(evaluations);
  if (!(left > 0.0) || !(paid.first_step() > 0.0)) return 0;
  return std::min(terms_.most_steps(), whole_steps(cost::steps_for(left, paid.first_step(),
                                           paid.later_step(), paid.steps_per_epoch)));
}

double Prices::memory_bytes(std::int64_t cut, std::int64_t steps) const {
  const BatchSetting& batches = terms_.batches;
  const bool cached = batches.cache && static_cast<double>(steps) > terms_.steps_per_epoch();
  return cost::peak_bytes(cost_, shape_, cut, memory_options(batches, method(), cached));
}

std::int64_t Prices::evaluations(std::int64_t cut) const {
  if (terms_.data.dev_documents == 0) return 0;
  const std::int64_t steps = affordable_steps(cut);
  std::int64_t count =
      std::clamp<std::int64_t>(steps / 20 + 1, kFewestEvaluations, kMostEvaluations);
  const Price paid = price(cut);
  const double allowed =
      kEvaluationShare *
      (terms_.budget.counted() ? static_cast<double>(steps) * paid.first_step() : capacity_);
  while (count > kFewestEvaluations && (paid.evaluations.of(count) > allowed ||
                                           affordable_steps(cut, count) < terms_.required_steps()))
    --count;
  return count;
}

types::Budget Prices::smallest(std::int64_t cut) const {
  types::Budget budget = terms_.budget;
  if (budget.counted()) return one_step(terms_);
  const Price paid = price(cut);
  const double steps = static_cast<double>(terms_.required_steps()) + 0.01;
  const double first = std::min(steps, paid.steps_per_epoch);
  const double needed = paid.fixed + paid.evaluations.of(kFewestEvaluations) +
                        first * paid.first_step() + (steps - first) * paid.later_step();
  const double seconds = kHeadroom * needed / (1.0 - kTimeMargin);
  if (budget.kind() == BudgetKind::kClock) {
    budget.amount = seconds > 600.0 ? 60.0 * std::ceil(seconds / 60.0) : std::ceil(seconds);
  } else if (budget.kind() == BudgetKind::kPriced) {
    budget.amount = rounded_up(seconds * budget.amount / budget.seconds);
    budget.seconds = 0.0;
  } else if (budget.unit == BudgetUnit::kShare) {
    const double full = capacity_ / budget.amount;
    budget.amount = std::ceil(1000.0 * needed / full) / 1000.0;
  } else {
    budget.amount = rounded_up(needed);
  }
  return budget;
}

}  // namespace salf::policy
