#include "types/gate.h"

#include <algorithm>
#include <iterator>

#include "core/error.h"
#include "core/log.h"
#include "core/text.h"
#include "types/budget.h"

namespace salf::types {
namespace {

constexpr const char* kAtEnd = "end:";

[[noreturn]] void refuse_gate(const std::string& text, const std::string& problem) {
  throw Error(ErrorKind::kUsage, "--gate \"" + core::printable(text, 60) + "\": " + problem +
                                     "; expected METRIC<=LIMIT or METRIC>=LIMIT with a metric of " +
                                     core::enum_choices<GateMetric>() +
                                     ", such as dev_loss<=1.6, dev_accuracy>=55% or seconds<=2h "
                                     "(end: in front: at the end alone)");
}

double number_of(const std::optional<double>& number, const std::string& text) {
  if (!number) refuse_gate(text, "the limit is no number");
  return *number;
}

double share(const std::string& word, const std::string& text) {
  const double value = number_of(parse_share(word), text);
  if (!(value >= 0.0 && value <= 1.0)) refuse_gate(text, "an accuracy lies between 0 and 1");
  return value;
}

double duration(const std::string& word, const std::string& text) {
  const Budget budget = parse_budget(word);
  if (budget.unit != BudgetUnit::kSeconds) refuse_gate(text, "the limit is no time");
  return budget.amount;
}

double limit_of(GateMetric metric, const std::string& word, const std::string& text) {
  try {
    switch (metric) {
      case GateMetric::kDevLoss:
      case GateMetric::kLossIncrease: return number_of(core::parse_number(word), text);
      case GateMetric::kDevAccuracy: return share(word, text);
      case GateMetric::kSeconds: return duration(word, text);
      case GateMetric::kPeakMemory: return parse_bytes(word);
    }
  } catch (const Error& error) {
    const std::string message = error.what();
    if (message.rfind("--gate", 0) == 0) throw;
    throw Error(ErrorKind::kUsage, "--gate \"" + core::printable(text, 60) + "\": " + message);
  }
  throw Error(ErrorKind::kInternal, "unknown metric of a gate");
}

// What speaks against having both, or nullptr.
const char* conflict(const Gate& one, const Gate& other) {
  if (one.metric != other.metric) return nullptr;
  if (one.comparison == other.comparison)
    return one.at_end == other.at_end ? " limit the same figure: give one" : nullptr;
  const bool upper = one.comparison == GateComparison::kAtMost;
  return (upper ? other.limit > one.limit : one.limit > other.limit)
             ? " contradict each other: no run passes both"
             : nullptr;
}

}  // namespace

bool needs_evaluation(GateMetric metric) {
  return metric != GateMetric::kSeconds && metric != GateMetric::kPeakMemory;
}

Gate parse_gate(const std::string& text) {
  std::string rest = core::without_blanks(text);
  Gate gate;
  gate.at_end = rest.rfind(kAtEnd, 0) == 0;
  if (gate.at_end) rest.erase(0, std::string(kAtEnd).size());
  const std::size_t place = rest.find_first_of("<>=!");
  const auto comparison = place == std::string::npos
                              ? std::nullopt
                              : core::enum_from_string<GateComparison>(rest.substr(place, 2));
  if (!comparison) refuse_gate(text, "there is no <= and no >=");
  const auto metric = core::enum_from_string<GateMetric>(rest.substr(0, place));
  if (!metric) refuse_gate(text, "the metric is not known");
  gate.metric = *metric;
  gate.comparison = *comparison;
  gate.limit = limit_of(*metric, rest.substr(place + 2), text);
  return gate;
}

std::string format_gate_value(GateMetric metric, double value) {
  if (metric == GateMetric::kDevAccuracy) return core::format_number(100.0 * value, 6) + "%";
  if (metric == GateMetric::kSeconds) return core::format_number(value, 6) + "s";
  return core::format_number(value, metric == GateMetric::kPeakMemory ? 10 : 6);
}

std::string format_gate(const Gate& gate) {
  return (gate.at_end ? kAtEnd : "") + core::enum_to_string(gate.metric) +
         core::enum_to_string(gate.comparison) + format_gate_value(gate.metric, gate.limit);
}

std::vector<std::string> gate_problems(const std::vector<std::string>& texts) {
  std::vector<std::string> problems;
  std::vector<Gate> gates;
  for (const std::string& text : texts) {
    try {
      const Gate gate = parse_gate(text);
      for (const Gate& other : gates) {
        if (const char* const problem = conflict(gate, other))
          problems.push_back(
              "--gate " + format_gate(gate) + " and --gate " + format_gate(other) + problem);
      }
      gates.push_back(gate);
    } catch (const Error& error) {
      problems.emplace_back(error.what());
    }
  }
  return problems;
}

std::vector<Gate> parse_gates(const std::vector<std::string>& texts) {
  std::vector<Gate> gates;
  std::transform(texts.begin(), texts.end(), std::back_inserter(gates), parse_gate);
  return gates;
}

}  // namespace salf::types
