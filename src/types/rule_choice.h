// Measures, rules and their choices, shared by profiles and plans.
#pragma once

#include <algorithm>
#include <array>

#include "core/fields.h"

namespace salf::types {

// How far a hidden state is from its label (design: "deviation").
enum class Measure { kCosine, kLoss };
inline std::vector<core::EnumName<Measure>> enum_names(Measure) {
  return {{Measure::kCosine, "cosine"}, {Measure::kLoss, "loss"}};
}

// How the cut is chosen (design: "rules").
enum class Rule { kMaxGain, kMinDeviation, kThreshold, kFixed, kFraction, kBudget, kPredicted };
inline std::vector<core::EnumName<Rule>> enum_names(Rule) {
  return {{Rule::kMaxGain, "max-gain"}, {Rule::kMinDeviation, "min-deviation"},
      {Rule::kThreshold, "threshold"}, {Rule::kFixed, "fixed"}, {Rule::kFraction, "fraction"},
      {Rule::kBudget, "budget"}, {Rule::kPredicted, "predicted"}};
}

// The rules that read the profile alone.
inline constexpr std::array<Rule, 3> kProfileRules = {
    Rule::kMaxGain, Rule::kMinDeviation, Rule::kThreshold};
inline bool reads_profile(Rule rule) {
  return std::find(kProfileRules.begin(), kProfileRules.end(), rule) != kProfileRules.end();
}

// A rule's choice and its stability: the share of bootstrap replicates with the same choice, and
// the range of 90 % of them. This is sampling stability, not the probability of the best cut.
// Without replicates: stability 0, range 0 … L-1.
struct RuleChoice {
  Rule rule = Rule::kMaxGain;
  Measure measure = Measure::kCosine;
  std::int64_t cut = 0;
  double stability = 0.0;
  std::int64_t low = 0, high = 0;

  template <class Self, class Visitor>
  static void fields(Self& self, Visitor& visit) {
    visit("rule", self.rule);
    visit("measure", self.measure);
    visit(Field{"eof"}.range(0, 1e5), self.cut);
    visit(Field{"stability"}.range(0, 1), self.stability);
    visit(Field{"low"}.range(0, 1e5), self.low);
    visit(Field{"high"}.range(0, 1e5), self.high);
  }
};

// The choice of this rule by this measure, or nullptr.
inline const RuleChoice* find_choice(
    const std::vector<RuleChoice>& choices, Rule rule, Measure measure) {
  const auto found = std::find_if(choices.begin(), choices.end(),
      [&](const RuleChoice& choice) { return choice.rule == rule && choice.measure == measure; });
  return found == choices.end() ? nullptr : &*found;
}

}  // namespace salf::types
