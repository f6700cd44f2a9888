#include "types/reason.h"

#include "core/text.h"

namespace salf::types {
namespace {

struct Wording {
  ReasonCode code;
  const char* name;  // in JSON
  const char* en;
  const char* ja;
};

// {block} is the block before {cut}; {nats} and {count} are {value} and {steps} as stages show
// them.
constexpr Wording kWordings[] = {
    {ReasonCode::kLowestLoss, "lowest-loss",
        "of what the budget pays for, the lowest predicted loss or as good as that",
        "予算で賄える候補のうち、予測損失が最小か、それと同等である"},
    {ReasonCode::kShallowestAsGood, "shallowest-as-good",
        "of what the budget pays for, the shallowest that the prediction cannot tell from the best",
        "予算で賄える候補のうち、予測では最良と区別できない最も浅い切断位置である"},
    {ReasonCode::kLeastTime, "least-time",
        "the least time that is predicted to end within {nats} of the better of full fine-tuning "
        "and LoRA on all blocks",
        "全層の微調整と全ブロックの LoRA のうち良い方との損失差が {nats} "
        "以内に収まると予測される候補のうち、所要時間が最短である"},
    {ReasonCode::kLeastMemory, "least-memory",
        "the least memory that is predicted to end within {nats} of the better of full "
        "fine-tuning and LoRA on all blocks",
        "全層の微調整と全ブロックの LoRA のうち良い方との損失差が {nats} "
        "以内に収まると予測される候補のうち、メモリが最小である"},
    {ReasonCode::kPredictedLoss, "predicted-loss", ", {value} ({low} to {high}){before}",
        "。予測損失は {value}（{low}〜{high}{before}）"},
    {ReasonCode::kFullLoss, "full-loss", ", full fine-tuning {value}",
        "、全層の微調整では {value}"},
    {ReasonCode::kFullLoraLoss, "full-lora-loss", ", LoRA on all blocks {value}",
        "、全ブロックの LoRA では {value}"},
    {ReasonCode::kNothingFits, "nothing-fits",
        "the budget does not pay for {steps} steps at any cut",
        "どの切断位置でも、予算では {steps} ステップを賄えない"},
    {ReasonCode::kMaxGain, "max-gain", "rule max-gain, the block of the largest drop in deviation",
        "規則 max-gain による。偏差の減少が最大のブロックである"},
    {ReasonCode::kMinDeviation, "min-deviation",
        "rule min-deviation, the shallowest space within one error of the smallest deviation",
        "規則 min-deviation による。偏差が最小値から誤差1つ分以内に収まる最も浅い空間である"},
    {ReasonCode::kThreshold, "threshold",
        "rule threshold, the first space by which most of the reduction is made",
        "規則 threshold による。偏差の減少の大部分が達成される最初の空間である"},
    {ReasonCode::kFixed, "fixed", "rule fixed, as asked", "規則 fixed による。指定のとおりである"},
    {ReasonCode::kFraction, "fraction", "rule fraction, as asked",
        "規則 fraction による。指定のとおりである"},
    {ReasonCode::kLargestDrop, "largest-drop",
        "the deviation falls most in block {block} (max-gain, eof-layer {cut})",
        "偏差の減少はブロック {block} で最大となる（max-gain、eof 層 {cut}）"},
    {ReasonCode::kNoDrop, "no-drop",
        "no block lowers the deviation clearly, so the search starts at 0",
        "偏差を明確に下げるブロックがないため、探索は 0 から始まる"},
    {ReasonCode::kAnyDepth, "any-depth", ", and a budget in {unit} does not depend on depth",
        "。{unit} 単位の予算は深さに左右されない"},
    {ReasonCode::kFullFits, "full-fits",
        ", and the budget pays for {steps} steps of full fine-tuning",
        "。予算は全層の微調整を {steps} ステップ賄える"},
    {ReasonCode::kShallowest, "shallowest",
        ", and towards the shallow blocks the budget pays for at least {steps} steps down to "
        "eof-layer {cut}",
        "。浅い側へは eof 層 {cut} まで、予算が少なくとも {steps} ステップを賄える"},
    {ReasonCode::kTooDear, "too-dear", ", but the budget does not pay for {steps} steps there",
        "。ただし、そこでは予算が {steps} ステップを賄えない"},
    {ReasonCode::kMostEpochs, "most-epochs",
        "; {limit} epochs are the most that are planned, so some of the budget stays unused",
        "。予定の上限は {limit} エポックなので、予算の一部は使われない"},
    {ReasonCode::kUnfrozen, "unfrozen",
        "unfrozen down to block {cut}: ", "ブロック {cut} まで凍結を解除："},
    {ReasonCode::kNotUnfrozen, "not-unfrozen",
        "not unfrozen down to block {cut}: ", "ブロック {cut} まで凍結を解除しない："},
    {ReasonCode::kEndMoved, "end-moved", "{count} steps there are predicted to end at {nats}",
        "そこで {count} ステップなら予測損失は {nats}"},
    {ReasonCode::kEndStaying, "end-staying", ", {count} steps at cut {cut} at {nats}",
        "、切断位置 {cut} で {count} ステップなら {nats}"},
};

const Wording& wording(ReasonCode code) {
  for (const Wording& one : kWordings) {
    if (one.code == code) return one;
  }
  return kWordings[0];
}

std::string loss(const Reason& reason, std::optional<double> value) {
  const double loss = value.value_or(0.0);
  return reason.before ? core::format_number(loss, 3) : core::format_number(100.0 * loss, 3) + " %";
}

std::string before(const Reason& reason, bool english) {
  if (!reason.before) return english ? " of the loss before" : "、学習前の損失に対する割合";
  return (english ? ", from " : "、学習前は ") + core::format_number(*reason.before, 3) +
         (english ? " before" : "");
}

std::string nats(const Reason& reason, bool english) {
  const double value = reason.value.value_or(0.0);
  if (reason.before) return core::format_number(value, 4) + (english ? " nats" : " ナット");
  return english ? core::format_number(100.0 * value, 4) + " % of the loss before"
                 : "学習前の損失の " + core::format_number(100.0 * value, 4) + " %";
}

std::string figure(const Reason& reason, const std::string& name, bool english) {
  const std::int64_t cut = reason.cut.value_or(0), steps = reason.steps.value_or(0);
  if (name == "cut") return std::to_string(cut);
  if (name == "block") return std::to_string(cut - 1);
  if (name == "steps") return std::to_string(steps);
  if (name == "count") return core::format_count(steps);
  if (name == "limit") return core::format_number(reason.value.value_or(0.0));
  if (name == "value") return loss(reason, reason.value);
  if (name == "low") return loss(reason, reason.low);
  if (name == "high") return loss(reason, reason.high);
  if (name == "before") return before(reason, english);
  if (name == "nats") return nats(reason, english);
  return core::enum_to_string(reason.unit.value_or(BudgetUnit::kSteps));
}

std::string filled(const Reason& reason, const std::string& pattern, bool english) {
  std::string text;
  std::size_t at = 0;
  for (std::size_t open = pattern.find('{'); open != std::string::npos;
       open = pattern.find('{', at)) {
    const std::size_t close = pattern.find('}', open);
    text += pattern.substr(at, open - at);
    text += figure(reason, pattern.substr(open + 1, close - open - 1), english);
    at = close + 1;
  }
  return text + pattern.substr(at);
}

}  // namespace

std::vector<core::EnumName<ReasonCode>> enum_names(ReasonCode) {
  std::vector<core::EnumName<ReasonCode>> names;
  for (const Wording& one : kWordings) names.push_back({one.code, one.name});
  return names;
}

Text reason_text(const std::vector<Reason>& reasons) {
  Text text;
  for (const Reason& reason : reasons) {
    const Wording& words = wording(reason.code);
    text.en += filled(reason, words.en, true);
    text.ja += filled(reason, words.ja, false);
  }
  return text;
}

}  // namespace salf::types
