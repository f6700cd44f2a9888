#include <algorithm>

#include "core/text.h"
#include "policy/advice.h"
#include "policy/learning_rate.h"
#include "policy/planner.h"

namespace salf::policy {
namespace {

using types::Reason;
using types::ReasonCode;

ReasonCode code_of(types::Rule rule) {
  switch (rule) {
    case types::Rule::kMaxGain: return ReasonCode::kMaxGain;
    case types::Rule::kMinDeviation: return ReasonCode::kMinDeviation;
    case types::Rule::kThreshold: return ReasonCode::kThreshold;
    case types::Rule::kFraction: return ReasonCode::kFraction;
    case types::Rule::kBudget: return ReasonCode::kNoDrop;
    default: return ReasonCode::kFixed;
  }
}

std::string frozen_text(const types::FreezePlan& plan) {
  const bool lora = plan.method() == types::Method::kLora;
  if (plan.cut == 0) return lora ? "no block is frozen, each gets LoRA" : "everything is trained";
  return "the embedding and blocks 0-" + std::to_string(plan.cut - 1) + " of " +
         std::to_string(plan.shape.blocks) + " are frozen" + (lora ? ", the others get LoRA" : "");
}

}  // namespace

void Planner::explain(types::FreezePlan& plan, const Candidate& chosen) const {
  plan.reasons = reasons(plan, chosen);
  plan.reason = frozen_text(plan) + ": " + types::reason_text(plan.reasons).en;
}

std::vector<Reason> Planner::reasons(const types::FreezePlan& plan, const Candidate& chosen) const {
  const std::int64_t required = terms_.required_steps();
  const bool predicted = limits_.rule == types::Rule::kPredicted;
  const bool by_budget = limits_.rule == types::Rule::kBudget;
  if (predicted && plan.smallest_budget) return {{ReasonCode::kNothingFits, {}, required}};
  std::vector<Reason> all{{code_of(limits_.rule)}};
  if (predicted) all = predicted_reasons(chosen);
  if (by_budget && start_ > 0) all = {{ReasonCode::kLargestDrop, start_}};
  if (plan.smallest_budget) {
    all.push_back({ReasonCode::kTooDear, {}, required});
    return all;
  }
  if (by_budget && budget_.counted()) {
    all.push_back({ReasonCode::kAnyDepth});
    all.back().unit = budget_.unit;
  } else if (by_budget) {
    all.push_back(plan.cut == 0 ? Reason{ReasonCode::kFullFits, {}, plan.steps}
                                : Reason{ReasonCode::kShallowest, plan.cut, required});
  }
  if (!budget_.counted() && !saves() && plan.steps >= terms_.most_steps())
    all.push_back({ReasonCode::kMostEpochs, {}, {}, limits_.max_epochs});
  return all;
}

std::vector<Reason> Planner::predicted_reasons(const Candidate& chosen) const {
  Reason first{ReasonCode::kLowestLoss};
  const std::optional<double> before = before_ ? std::optional(before_->loss) : std::nullopt;
  if (saves()) {
    const bool time = limits_.aim == types::Aim::kCheapest;
    first = {time ? ReasonCode::kLeastTime : ReasonCode::kLeastMemory, {}, {},
        loss_scale() * (*limit_ - reference()), {}, {}, before};
  } else if (!budget_.deterministic() && predictor_->error_unseen() > kSameLoss) {
    first.code = ReasonCode::kShallowestAsGood;
  }
  const types::Range& loss = *chosen.loss;
  std::vector<Reason> all{
      first, {ReasonCode::kPredictedLoss, {}, {}, loss.value, loss.low, loss.high, before}};
  if (chosen.cut > 0 || chosen.arm != full_.arm) {
    const bool lora = full_.arm == types::Arm::kLora;
    all.push_back({lora ? ReasonCode::kFullLoraLoss : ReasonCode::kFullLoss, {}, {},
        before.value_or(1.0) * predictor_->ratio(full_), {}, {}, before});
  }
  return all;
}

std::vector<std::string> Planner::notes(const types::FreezePlan& plan, const Candidate& chosen,
    const std::vector<const Candidate*>& by_prior) const {
  std::vector<std::string> notes;
  if (limits_.stages > 1 && !plan.smallest_budget && plan.stages.empty()) {
    const std::int64_t deep = choose_cut(types::Rule::kMaxGain, limits_.parameters, *deviation_);
    notes.push_back("there is one stage: max-gain's layer, " + std::to_string(deep) +
                    ", from which stages begin, is no deeper than the cut");
  }
  const auto same = std::count_if(by_prior.begin(), by_prior.end(), [&](const Candidate* other) {
    return types::method_of(*other->arm) == types::method_of(*chosen.arm);
  });
  if (same != static_cast<std::ptrdiff_t>(by_prior.size())) {
    notes.push_back(
        "LoRA or whole blocks is open: resampled priors choose " +
        std::string(plan.lora ? "LoRA" : "whole blocks") + " in " +
        core::format_number(
            100.0 * static_cast<double>(same) / static_cast<double>(by_prior.size()), 2) +
        " %");
  }
  const auto large = std::count_if(plan.candidates.begin(), plan.candidates.end(),
      [this](const Candidate& one) { return too_large(one); });
  if (large > 0 && memory_limit() != limits_.max_memory_bytes) {
    notes.push_back(core::format_count(large) + " of " +
                    core::format_count(static_cast<std::int64_t>(plan.candidates.size())) +
                    " candidates are left out: they need more memory than the " +
                    core::format_bytes(static_cast<std::uint64_t>(memory_limit())) +
                    " that this process may hold");
  }
  const auto& trials = evidence_.basis.trials;
  const double factor =
      trials && !limits_.learning_rate ? trial_rate_factor(*trials, *chosen.arm, chosen.cut) : 1.0;
  if (factor != 1.0) {
    notes.push_back("the learning rate is " + core::format_number(factor) +
                    " times the rule's: clearly better in the trials");
  }
  for (std::string& note : notes_on(evidence_.profile, plan)) notes.push_back(std::move(note));
  return notes;
}

}  // namespace salf::policy
