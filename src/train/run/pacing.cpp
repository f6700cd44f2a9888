#include "train/run/pacing.h"

#include "core/statistics.h"
#include "train/run/stage.h"
#include "train/step/batch_stream.h"

namespace salf::train {
namespace {

// As many steps as tell a lasting slowdown from a hiccup, and few enough to see it soon.
constexpr std::size_t kWindow = 32;
// What "slow" adds to the slowest step seen lately.
constexpr double kSlack = 1.25;
// More is a hiccup rather than a busy machine.
constexpr double kMostSlower = 4.0;

// Budget and predictions of the plan.
PacerOptions pacer_options(const types::FreezePlan& plan, double closing_seconds) {
  const types::CostBreakdown& predicted = plan.predicted_seconds;
  const auto each = [](double seconds, std::int64_t count) {
    return seconds / static_cast<double>(std::max<std::int64_t>(1, count));
  };
  PacerOptions options;
  options.budget_seconds = plan.budget.clock_seconds();
  options.closing_seconds = closing_seconds;
  options.step_seconds =
      each(predicted.total() - predicted.evaluation - predicted.fixed, plan.steps);
  options.evaluation_seconds = each(predicted.evaluation, plan.evaluations);
  return options;
}

bool counts_flops(const types::FreezePlan& plan) {
  return plan.budget.kind() == types::BudgetKind::kWork && plan.budget_flops > 0.0;
}

// Steps that a budget in tokens, FLOPs or a share pays for: the batches are known beforehand, so
// the end is known before the first step. plan.steps at most, and that for every other budget.
std::int64_t affordable_steps(const RunInputs& inputs) {
  const types::FreezePlan& plan = inputs.what.plan;
  const bool tokens = plan.budget.unit == types::BudgetUnit::kTokens;
  if (!tokens && !counts_flops(plan)) return plan.steps;
  const double amount = tokens ? plan.budget.amount : plan.budget_flops;
  BatchStream stream(inputs.what.train, inputs.how.seed, 0, 0);
  double spent = 0.0;
  for (std::int64_t step = 0; step < plan.steps; ++step) {
    for (std::int64_t i = 0; i < plan.accumulate; ++i) {
      const bool again = stream.epoch() > 0 && keeps_prefix(inputs) && plan.cut > 0;
      const tensor::Batch batch = stream.next();
      spent += tokens ? static_cast<double>(batch.real_tokens)
                      : training_flops(plan.shape, batch, plan.cut, again);
    }
    if (spent > amount) return step;
  }
  return plan.steps;
}

}  // namespace

void Pacer::step_took(double seconds) {
  last_ = seconds;
  if (steps_.size() < kWindow) {
    steps_.push_back(seconds);
  } else {
    steps_[next_] = seconds;
  }
  next_ = (next_ + 1) % kWindow;
}

void Pacer::expect_step(double seconds) {
  options_.step_seconds = seconds;
  steps_.clear();
  next_ = 0;
}

// The last evaluation tells most about the next one, but a quick one does not make up for a slow
// one.
void Pacer::evaluation_took(double seconds) {
  evaluation_ = std::max(seconds, 0.5 * (evaluation_ + seconds));
}

double Pacer::step_seconds() const {
  return steps_.empty() ? options_.step_seconds : core::median(steps_);
}

double Pacer::slow_step_seconds() const {
  if (steps_.empty()) return 2.0 * options_.step_seconds;
  return kSlack * *std::max_element(steps_.begin(), steps_.end());
}

double Pacer::deadline() const {
  const double slower = options_.step_seconds > 0.0
                            ? std::clamp(last_ / options_.step_seconds, 1.0, kMostSlower)
                            : 1.0;
  return options_.budget_seconds * (1.0 - options_.margin) - slower * options_.closing_seconds;
}

bool Pacer::must_cool_down(std::int64_t step, double spent, std::int64_t interval) const {
  const std::int64_t total = step + 1 + cooldown_steps(step + 1);
  const std::int64_t evaluations = total / interval - step / interval + 1;
  const double needed = static_cast<double>(total - step) * step_seconds() +
                        static_cast<double>(evaluations) * evaluation_;
  return spent + needed > deadline();
}

bool Pacer::step_fits(double spent) const {
  return spent + slow_step_seconds() + evaluation_ <= deadline();
}

std::int64_t evaluation_interval(std::int64_t evaluations, std::int64_t steps) {
  const std::int64_t gaps = std::max<std::int64_t>(1, evaluations - 1);
  return std::max<std::int64_t>(1, (steps + gaps - 1) / gaps);
}

Pacing::Pacing(const TrainInputs& inputs, const RunCourse& course)
    : plan_(inputs.run.what.plan), agreement_(inputs.run.ranks, inputs.clock, course.spent_seconds),
      interval_(evaluation_interval(plan_.evaluations, plan_.steps)) {
  if (plan_.budget.deterministic()) {
    schedule_ = schedule_for_steps(affordable_steps(inputs.run));
    limit_ = schedule_.total();
    cooldown_start_ = schedule_.cooldown_start;
    interval_ = evaluation_interval(plan_.evaluations, limit_);
  } else {
    schedule_ = {warmup_steps(plan_.steps), kNoEnd, 1};
    if (course.cooldown_start) settle_cooldown(*course.cooldown_start);
    if (inputs.replay) settle_cooldown(inputs.replay->cooldown_start);
    if (!inputs.replay) pacer_.emplace(pacer_options(plan_, inputs.closing_seconds));
  }
  if (inputs.replay) limit_ = inputs.replay->steps;
}

double Pacing::budget_share(const RunState& state) const {
  const types::Budget& budget = plan_.budget;
  if (!budget.deterministic()) return spent() / budget.clock_seconds();
  if (budget.unit == types::BudgetUnit::kTokens)
    return static_cast<double>(state.tokens) / budget.amount;
  if (counts_flops(plan_)) return state.flops / plan_.budget_flops;
  return static_cast<double>(state.step) /
         static_cast<double>(std::max<std::int64_t>(1, schedule_.total()));
}

void Pacing::settle_cooldown(std::int64_t start) {
  schedule_ = schedule_for_cooldown(warmup_steps(plan_.steps), start);
  limit_ = schedule_.total();
  cooldown_start_ = start;
}

bool Pacing::at_end(std::int64_t step) {
  if (step >= limit_) return true;
  if (!pacer_) return false;
  const std::int64_t most = plan_.most_steps;
  const bool data_is_used_up = most > 0 && step >= schedule_for_steps(most).cooldown_start;
  if (!cooldown_start_ && (data_is_used_up || pacer_->must_cool_down(step, spent(), interval_))) {
    settle_cooldown(step);
  }
  return !pacer_->step_fits(spent());
}

}  // namespace salf::train
