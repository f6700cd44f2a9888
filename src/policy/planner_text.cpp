#include <algorithm>

#include "core/text.h"
#include "policy/learning_rate.h"
#include "policy/planner.h"

namespace salf::policy {

std::string Planner::frozen_text(const types::Candidate& chosen) const {
  const bool lora = chosen.arm == types::Arm::kLora;
  if (chosen.cut == 0) return lora ? "no block is frozen, each gets LoRA" : "everything is trained";
  return "the embedding and blocks 0-" + std::to_string(chosen.cut - 1) + " of " +
         std::to_string(prices(chosen).shape().blocks) + " are frozen" +
         (lora ? ", the others get LoRA" : "");
}

std::string Planner::reason(
    const types::FreezePlan& plan, const types::Candidate& chosen, std::int64_t start) const {
  const std::string frozen = frozen_text(chosen);
  const std::string required = std::to_string(prices(chosen).required_steps());
  if (inputs_.rule == types::Rule::kPredicted)
    return frozen + ": " + predicted_reason(plan, chosen);
  if (inputs_.rule != types::Rule::kBudget) {
    return frozen + ": rule " + core::enum_to_string(inputs_.rule) + why(inputs_.rule) +
           (plan.smallest_budget ? ", but the budget does not pay for " + required + " steps there"
                                 : after_cap(plan));
  }
  const std::string from = start == 0
                               ? "no block lowers the deviation clearly, so the search starts at 0"
                               : "the deviation falls most in block " + std::to_string(start - 1) +
                                     " (max-gain, eof-layer " + std::to_string(start) + ")";
  if (methods_.front().counts() && !plan.smallest_budget)
    return frozen + ": " + from + ", and a budget in " + core::enum_to_string(plan.budget.unit) +
           " does not depend on depth";
  if (plan.smallest_budget)
    return frozen + ": " + from + ", but the budget does not pay for " + required + " steps there";
  if (plan.cut == 0)
    return frozen + ": " + from + ", and the budget pays for " + std::to_string(plan.steps) +
           " steps of full fine-tuning" + after_cap(plan);
  return frozen + ": " + from + ", and towards the shallow blocks the budget pays for at least " +
         required + " steps down to eof-layer " + std::to_string(plan.cut) + after_cap(plan);
}

std::string Planner::predicted_reason(
    const types::FreezePlan& plan, const types::Candidate& chosen) const {
  if (plan.smallest_budget) {
    return "the budget does not pay for " + std::to_string(prices(chosen).required_steps()) +
           " steps at any cut";
  }
  const types::Range loss = chosen.loss.value_or(types::Range{});
  const auto number = [this](double value) {
    return before_ ? core::format_number(value, 3) : core::format_number(100.0 * value, 3) + " %";
  };
  std::string text = "of what the budget pays for, the lowest predicted loss or as good as that";
  if (inputs_.max_loss_increase) {
    text = "the least time that is predicted to end within " +
           core::format_number(*inputs_.max_loss_increase) + " of full fine-tuning";
  } else if (methods_.front().in_seconds() && predictor_->error_unseen() > kSameLoss) {
    text =
        "of what the budget pays for, the shallowest that the prediction cannot tell from the best";
  }
  text += ", " + number(loss.value) + " (" + number(loss.low) + " to " + number(loss.high) + ")" +
          (before_ ? ", from " + number(before_->loss) + " before" : " of the loss before");
  const ArmPoint compared = full();
  if (chosen.cut > 0 || chosen.arm != compared.arm) {
    const double ratio = predictor_->ratio(compared);
    text += compared.arm == types::Arm::kLora ? ", LoRA on all blocks " : ", full fine-tuning ";
    text += number(before_ ? before_->loss * ratio : ratio);
  }
  return text + after_cap(plan);
}

std::string Planner::method_note(const Candidates& all, const types::Candidate& chosen,
    const std::vector<std::size_t>& by_prior) const {
  if (!inputs_.lora || by_prior.empty()) return "";
  const bool lora = chosen.arm == types::Arm::kLora;
  const auto same = std::count_if(by_prior.begin(), by_prior.end(),
      [&](std::size_t place) { return (all[place].arm == types::Arm::kLora) == lora; });
  if (same == static_cast<std::ptrdiff_t>(by_prior.size())) return "";
  return "LoRA or whole blocks is open: resampled priors choose " +
         std::string(lora ? "LoRA" : "whole blocks") + " in " +
         core::format_number(
             100.0 * static_cast<double>(same) / static_cast<double>(by_prior.size()), 2) +
         " %";
}

std::string Planner::trials_note(const types::Candidate& chosen) const {
  if (!inputs_.trials || inputs_.learning_rate) return "";
  const double factor = trial_rate_factor(*inputs_.trials, *chosen.arm, chosen.cut);
  return factor == 1.0 ? ""
                       : "the learning rate is " + core::format_number(factor) +
                             " times the rule's: clearly better in the trials";
}

std::string Planner::why(types::Rule rule) {
  switch (rule) {
    case types::Rule::kMaxGain: return ", the block of the largest drop in deviation";
    case types::Rule::kMinDeviation:
      return ", the shallowest space within one error of the smallest deviation";
    case types::Rule::kThreshold: return ", the first space by which most of the reduction is made";
    default: return ", as asked";
  }
}

std::string Planner::after_cap(const types::FreezePlan& plan) const {
  if (methods_.front().counts() || inputs_.max_loss_increase ||
      plan.steps < methods_.front().most_steps())
    return "";
  return "; " + core::format_number(inputs_.max_epochs) +
         " epochs are the most that are planned, so some of the budget stays unused";
}

}  // namespace salf::policy
