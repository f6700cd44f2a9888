#include "train/run/pacing.h"

#include <algorithm>

#include "core/clock.h"
#include "train/run/budget_limits.h"

namespace salf::train {
namespace {

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

}  // namespace

std::int64_t evaluation_interval(std::int64_t evaluations, std::int64_t steps) {
  const std::int64_t gaps = std::max<std::int64_t>(1, evaluations - 1);
  return std::max<std::int64_t>(1, (steps + gaps - 1) / gaps);
}

Pacing::Pacing(const TrainInputs& inputs, const RunCourse& course)
    : plan_(inputs.run.what.plan), clock_(inputs.clock), carried_seconds_(course.spent_seconds),
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

double Pacing::spent() const {
  return carried_seconds_ + (clock_ != nullptr ? clock_->spent_seconds() : core::process_seconds());
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
