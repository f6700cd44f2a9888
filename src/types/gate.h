// Quality gates: limits that a run must keep to be accepted.
#pragma once

#include "core/fields.h"

namespace salf::types {

enum class GateMetric { kDevLoss, kLossIncrease, kDevAccuracy, kSeconds, kPeakMemory };
inline std::vector<core::EnumName<GateMetric>> enum_names(GateMetric) {
  return {{GateMetric::kDevLoss, "dev_loss"},  // nats per supervised token
      {GateMetric::kLossIncrease,
          "loss_increase"},  // dev loss less that before tuning; below 0: an improvement
      {GateMetric::kDevAccuracy,
          "dev_accuracy"},                // share of supervised tokens that were the first guess
      {GateMetric::kSeconds, "seconds"},  // everything since the start, analysis and loading too
      {GateMetric::kPeakMemory, "peak_memory"}};  // anonymous, bytes
}

enum class GateComparison { kAtMost, kAtLeast };
inline std::vector<core::EnumName<GateComparison>> enum_names(GateComparison) {
  return {{GateComparison::kAtMost, "<="}, {GateComparison::kAtLeast, ">="}};
}

// A gate and its result. Gates are checked after each evaluation from the first step on, and at the
// end; those with at_end only at the end.
struct Gate {
  GateMetric metric = GateMetric::kDevLoss;
  GateComparison comparison = GateComparison::kAtMost;
  double limit = 0.0;
  bool at_end = false;

  std::optional<double> value{};  // at the last check; nothing without a check or a figure
  std::int64_t step = 0;          // of the weights that the value is of
  bool passed = false;

  template <class Self, class Visitor> static void fields(Self& self, Visitor& visit) {
    visit("metric", self.metric);
    visit("comparison", self.comparison);
    visit("limit", self.limit);
    visit("at_end", self.at_end);
    visit("value", self.value);
    visit(Field{"step"}.range(0, 1e15), self.step);
    visit("passed", self.passed);
  }
};

// Whether the metric needs a dev split.
bool needs_evaluation(GateMetric metric);

// "dev_loss<=1.6", "loss_increase<=-0.2", "dev_accuracy>=55%", "seconds<=2h", "peak_memory<=4GiB",
// with "end:" in front for the end alone. Throws Error(kUsage) that quotes the text and says what
// was expected.
Gate parse_gate(const std::string& text);

// The text of a gate for parse_gate, to six digits; format_gate_value gives one value with its
// unit.
std::string format_gate(const Gate& gate);
std::string format_gate_value(GateMetric metric, double value);

// Problems of the gates of one run, one message each: malformed, repeated or contradicting gates.
std::vector<std::string> gate_problems(const std::vector<std::string>& texts);
// REQUIRES: gate_problems(texts) is empty
std::vector<Gate> parse_gates(const std::vector<std::string>& texts);

}  // namespace salf::types
