// Why something was decided, as data; and the sentence that says it.
#pragma once

#include "types/budget.h"

namespace salf::types {

// The same in English and Japanese.
struct Text {
  std::string en, ja;
};

// Each is a part of a sentence. In braces: the figures that it has.
enum class ReasonCode {
  // By predicted loss.
  kLowestLoss,        // of what the budget pays for
  kShallowestAsGood,  // of those that the prediction cannot tell from the best
  kLeastTime,         // within {value} of the better of full fine-tuning and LoRA on all blocks
  kLeastMemory,       // likewise
  kPredictedLoss,     // {value, low, high}
  kFullLoss,          // of full fine-tuning {value}
  kFullLoraLoss,      // of LoRA on all blocks {value}
  kNothingFits,       // no cut for {steps}
  // By a rule.
  kMaxGain,
  kMinDeviation,
  kThreshold,
  kFixed,
  kFraction,
  kLargestDrop,  // max-gain's layer, {cut}, is where the search starts
  kNoDrop,       // it starts at 0
  kAnyDepth,     // a budget in {unit} pays for as many steps at each cut
  kFullFits,     // the budget pays for {steps} of full fine-tuning
  kShallowest,   // the budget pays for {steps} down to {cut}
  kTooDear,      // the budget does not pay for {steps} there
  kMostEpochs,   // {value} epochs are planned at most
  // At the end of a stage.
  kUnfrozen,     // down to {cut}
  kNotUnfrozen,  // down to {cut}
  kEndMoved,     // {steps} there end at {value}
  kEndStaying,   // {steps} at {cut} end at {value}
};
std::vector<core::EnumName<ReasonCode>> enum_names(ReasonCode);

// Losses are in nats where `before`, the loss of the untouched model, is there; else they are
// shares of it.
struct Reason {
  ReasonCode code = ReasonCode::kFixed;
  std::optional<std::int64_t> cut{}, steps{};
  std::optional<double> value{}, low{}, high{}, before{};
  std::optional<BudgetUnit> unit{};

  template <class Self, class Visitor> static void fields(Self& self, Visitor& visit) {
    visit("code", self.code);
    visit(Field{"eof"}.range(0, 1e5), self.cut);
    visit(Field{"steps"}.range(0, 1e15), self.steps);
    visit(Field{"value"}.range(-1e6, 1e6), self.value);
    visit(Field{"low"}.range(-1e6, 1e6), self.low);
    visit(Field{"high"}.range(-1e6, 1e6), self.high);
    visit(Field{"before"}.range(0, 1e6), self.before);
    visit("unit", self.unit);
  }
};

// Without a capital letter and a full stop.
Text reason_text(const std::vector<Reason>& reasons);

}  // namespace salf::types
