#include "planner.h"

#include "salf/core/text.h"

namespace salf::policy {

std::string Planner::reason(const types::FreezePlan& plan, std::int64_t start) const {
  const std::string frozen = plan.eof == 0
                                 ? (arm(0) == types::Arm::kLora ? "no block is frozen" : "everything is trained")
                                 : "the embedding and blocks 0-" + std::to_string(plan.eof - 1) +
                                       " of " + std::to_string(shape_.blocks) + " are frozen";
  if (inputs_.rule == types::Rule::kPredicted) return frozen + ": " + predicted_reason(plan);
  if (inputs_.rule != types::Rule::kBudget) {
    return frozen + ": rule " + core::enum_to_string(inputs_.rule) + why(inputs_.rule) +
           (plan.smallest_budget ? ", but the budget does not pay for " +
                                       std::to_string(counts_ ? 1 : required_) + " steps there"
                                 : after_cap(plan));
  }
  const std::string from =
      start == 0 ? "no block lowers the deviation clearly, so the search starts at 0"
                 : "the deviation falls most in block " + std::to_string(start - 1) +
                       " (max-gain, eof-layer " + std::to_string(start) + ")";
  if (counts_ && !plan.smallest_budget)
    return frozen + ": " + from + ", and a budget in " + core::enum_to_string(plan.budget.unit) +
           " does not depend on depth";
  if (plan.smallest_budget)
    return frozen + ": " + from + ", but the budget does not pay for " +
           std::to_string(counts_ ? 1 : required_) + " steps there";
  if (plan.eof == 0)
    return frozen + ": " + from + ", and the budget pays for " + std::to_string(plan.steps) +
           " steps of full fine-tuning" + after_cap(plan);
  return frozen + ": " + from + ", and towards the shallow blocks the budget pays for at least " +
         std::to_string(required_) + " steps down to eof-layer " + std::to_string(plan.eof) +
         after_cap(plan);
}

std::string Planner::predicted_reason(const types::FreezePlan& plan) const {
  if (plan.smallest_budget) {
    return "the budget does not pay for " + std::to_string(counts_ ? 1 : required_) + " steps at any cut";
  }
  const types::Range loss = plan.candidates[index(plan.eof)].loss.value_or(types::Range{});
  const auto number = [this](double value) {
    return before_ ? core::format_number(value, 3) : core::format_number(100.0 * value, 3) + " %";
  };
  std::string text = inputs_.max_loss_increase
                         ? "the least time that is predicted to end within " + core::format_number(*inputs_.max_loss_increase) +
                               " of full fine-tuning"
                         : "of what the budget pays for, the lowest predicted loss or as good as that";
  text += ", " + number(loss.value) + " (" + number(loss.low) + " to " + number(loss.high) + ")" +
          (before_ ? ", from " + number(before_->loss) + " before" : " of the loss before");
  if (plan.eof > 0) text += ", full fine-tuning " + number(full_loss());
  return text + after_cap(plan);
}

double Planner::full_loss() const {
  const double ratio = predictor_->ratio(point(0, affordable_steps(0, kFewestEvaluations)));
  return before_ ? before_->loss * ratio : ratio;
}

std::string Planner::why(types::Rule rule) {
  switch (rule) {
    case types::Rule::kMaxGain:
      return ", the block of the largest drop in deviation";
    case types::Rule::kMinDeviation:
      return ", the shallowest space within one error of the smallest deviation";
    case types::Rule::kThreshold:
      return ", the first space by which most of the reduction is made";
    default:
      return ", as asked";
  }
}

std::string Planner::after_cap(const types::FreezePlan& plan) const {
  if (counts_ || inputs_.max_loss_increase || plan.steps < most_steps_) return "";
  return "; " + core::format_number(inputs_.max_epochs) +
         " epochs are the most that are planned, so some of the budget stays unused";
}

}  // namespace salf::policy
