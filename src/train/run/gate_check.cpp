#include "train/run/gate_check.h"

#include <cmath>

#include "core/text.h"

namespace salf::train {
namespace {

using types::GateMetric;

std::optional<double> value_of(GateMetric metric, const RunFigures& figures) {
  switch (metric) {
    case GateMetric::kDevLoss: return figures.loss;
    case GateMetric::kLossIncrease:
      if (!figures.loss || !figures.loss_before) return std::nullopt;
      return *figures.loss - *figures.loss_before;
    case GateMetric::kDevAccuracy: return figures.accuracy;
    case GateMetric::kSeconds: return figures.seconds;
    case GateMetric::kPeakMemory: return figures.peak_memory;
  }
  return std::nullopt;
}

bool holds(const types::Gate& gate) {
  if (!gate.value || !std::isfinite(*gate.value)) return false;
  return gate.comparison == types::GateComparison::kAtMost ? *gate.value <= gate.limit
                                                           : *gate.value >= gate.limit;
}

}  // namespace

std::vector<std::string> check_gates(
    std::vector<types::Gate>& gates, const RunFigures& figures, bool at_end) {
  std::vector<std::string> failures;
  for (types::Gate& gate : gates) {
    if (gate.at_end && !at_end) continue;
    gate.value = value_of(gate.metric, figures);
    if (gate.value && !std::isfinite(*gate.value)) gate.value.reset();
    gate.step = figures.step;
    gate.passed = holds(gate);
    if (gate.passed) continue;
    failures.push_back("gate " + types::format_gate(gate) + " failed" +
                       (gate.value ? " at step " + core::format_count(gate.step) + ": " +
                                         types::format_gate_value(gate.metric, *gate.value)
                                   : ": no evaluation tells its figure"));
  }
  return failures;
}

}  // namespace salf::train
