// Parsing the limits of a comparison.
#pragma once

#include "report/compare/compare.h"

namespace salf::report {

enum class LimitKind { kNumber, kTime, kMemory };
struct Limit {
  double amount = 0.0;
  bool share = false;  // of BASE's value
  double of(double base) const { return share ? amount * base : amount; }
};
// Parses "10%", "0.01", "30s", "500MB"; nothing for other texts.
std::optional<Limit> parse_limit(const std::string& text, LimitKind kind);

}  // namespace salf::report
