#include "policy/stages.h"

#include <cmath>

namespace salf::policy {
namespace {

constexpr int kHalvings = 60;

ArmPoint point(std::int64_t cut, double tokens, double unique_tokens) {
  return {cut == 0 ? types::Arm::kFull : types::Arm::kFreeze, cut, tokens, unique_tokens};
}

// Tokens at `to` that give the loss of `tokens` at `from`; at most as many.
double equivalent(const Predictor& predictor, double tokens, std::int64_t from, std::int64_t to,
    double unique_tokens) {
  const double reached = predictor.ratio(point(from, tokens, unique_tokens));
  double low = 0.0, high = tokens;
  for (int i = 0; i < kHalvings; ++i) {
    const double middle = 0.5 * (low + high);
    (predictor.ratio(point(to, middle, unique_tokens)) > reached ? low : high) = middle;
  }
  return high;
}

}  // namespace

std::vector<std::int64_t> stage_cuts(std::int64_t deep, std::int64_t shallow, std::int64_t count) {
  std::vector<std::int64_t> cuts;
  for (std::int64_t i = 0; i + 1 < count; ++i) {
    const double way = static_cast<double>(i) / static_cast<double>(count - 1);
    const std::int64_t cut =
        std::llround(static_cast<double>(deep) - way * static_cast<double>(deep - shallow));
    if (cut > shallow && (cuts.empty() || cut < cuts.back())) cuts.push_back(cut);
  }
  cuts.push_back(shallow);
  return cuts;
}

types::StageDecision decide_stage(
    const Predictor& predictor, const types::StageEnd& end, std::optional<double> loss_before) {
  double tokens = 0.0;
  std::int64_t cut = end.stages.front().cut;
  for (const types::StageRecord& stage : end.stages) {
    tokens = equivalent(predictor, tokens, cut, stage.cut, end.unique_tokens) +
             static_cast<double>(stage.steps) * end.step_tokens;
    cut = stage.cut;
  }
  const double moved = equivalent(predictor, tokens, cut, end.next_cut, end.unique_tokens);
  const double staying =
      predictor.ratio(point(cut, tokens + end.steps_staying * end.step_tokens, end.unique_tokens));
  const double next = predictor.ratio(
      point(end.next_cut, moved + end.steps_next * end.step_tokens, end.unique_tokens));
  const bool go = next < staying - kSameLoss;
  types::StageDecision decision;
  decision.choice = go ? types::StageChoice::kNext : types::StageChoice::kStay;
  decision.loss_staying = staying * loss_before.value_or(1.0);
  decision.loss_next = next * loss_before.value_or(1.0);
  using types::ReasonCode;
  decision.reasons = {{go ? ReasonCode::kUnfrozen : ReasonCode::kNotUnfrozen, end.next_cut},
      {ReasonCode::kEndMoved, end.next_cut, std::llround(end.steps_next), decision.loss_next, {},
          {}, loss_before},
      {ReasonCode::kEndStaying, cut, std::llround(end.steps_staying), decision.loss_staying, {}, {},
          loss_before}};
  decision.reason = types::reason_text(decision.reasons).en;
  return decision;
}

}  // namespace salf::policy
