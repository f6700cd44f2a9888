#include "salf/types/budget.h"

#include <array>
#include <charconv>
#include <cmath>
#include <limits>
#include <string_view>
#include <vector>

#include "salf/core/error.h"
#include "salf/core/text.h"

namespace salf::types {
namespace {

// A number and the letters behind it.
struct Part {
  double number = 0.0;
  std::string unit;  // lower case
};

struct UnitName {
  const char* name;
  BudgetUnit unit;
  double factor;
};

constexpr std::array kUnits = {
    UnitName{"", BudgetUnit::kSeconds, 1.0},        UnitName{"s", BudgetUnit::kSeconds, 1.0},
    UnitName{"sec", BudgetUnit::kSeconds, 1.0},     UnitName{"second", BudgetUnit::kSeconds, 1.0},
    UnitName{"m", BudgetUnit::kSeconds, 60.0},      UnitName{"min", BudgetUnit::kSeconds, 60.0},
    UnitName{"minute", BudgetUnit::kSeconds, 60.0}, UnitName{"h", BudgetUnit::kSeconds, 3600.0},
    UnitName{"hr", BudgetUnit::kSeconds, 3600.0},   UnitName{"hour", BudgetUnit::kSeconds, 3600.0},
    UnitName{"d", BudgetUnit::kSeconds, 86400.0},   UnitName{"day", BudgetUnit::kSeconds, 86400.0},
    UnitName{"%", BudgetUnit::kShare, 0.01},        UnitName{"percent", BudgetUnit::kShare, 0.01},
    UnitName{"flop", BudgetUnit::kFlops, 1.0},      UnitName{"kflop", BudgetUnit::kFlops, 1e3},
    UnitName{"mflop", BudgetUnit::kFlops, 1e6},     UnitName{"gflop", BudgetUnit::kFlops, 1e9},
    UnitName{"tflop", BudgetUnit::kFlops, 1e12},    UnitName{"pflop", BudgetUnit::kFlops, 1e15},
    UnitName{"eflop", BudgetUnit::kFlops, 1e18},    UnitName{"token", BudgetUnit::kTokens, 1.0},
    UnitName{"step", BudgetUnit::kSteps, 1.0},      UnitName{"epoch", BudgetUnit::kEpochs, 1.0},
};

constexpr std::array<std::string_view, 15> kLaterUnits = {"j",     "kj",  "mj",  "wh",     "kwh",
                                                          "joule", "usd", "eur", "gbp",    "jpy",
                                                          "cent",  "$",   "€",   "dollar", "euro"};

[[noreturn]] void refuse(const std::string& text, const std::string& problem) {
  throw Error(ErrorKind::kUsage,
              "budget \"" + text + "\": " + problem +
                  "; expected time (90, 90s, 3m, 1h30m), a share of full fine-tuning (40%), FLOPs "
                  "(1e15FLOP, 2PFLOP), 50000tokens, 200steps or 3epochs");
}

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }
bool digit(char c) { return c >= '0' && c <= '9'; }

// "1h 30m" -> {1, "h"}, {30, "m"}
std::vector<Part> split(const std::string& text) {
  std::string compact;
  for (const char c : text) {
    if (c != ' ' && c != '\t') compact += lower(c);
  }
  std::vector<Part> parts;
  const char* at = compact.data();
  const char* const end = at + compact.size();
  while (at != end) {
    Part part;
    const auto [behind, code] = std::from_chars(at, end, part.number);
    // from_chars reads "inf" and "nan" as numbers too.
    if (code != std::errc() || !(digit(*at) || *at == '.' || *at == '-'))
      refuse(text, "expected a number");
    at = behind;
    while (at != end && !digit(*at) && *at != '.') part.unit += *at++;
    parts.push_back(part);
  }
  if (parts.empty()) refuse(text, "it is empty");
  return parts;
}

std::string singular(const std::string& unit) {
  return unit.size() > 2 && unit.back() == 's' ? unit.substr(0, unit.size() - 1) : unit;
}

const UnitName& find_unit(const std::string& text, const std::string& unit) {
  const std::string name = singular(unit);
  for (const UnitName& known : kUnits) {
    if (name == known.name) return known;
  }
  for (const std::string_view later : kLaterUnits) {
    if (name == later) refuse(text, "budgets in energy or money are not supported yet");
  }
  if (name.find("flop/") != std::string::npos)
    refuse(text, "that is a rate, not an amount of FLOPs");
  refuse(text, "the unit \"" + unit + "\" is not known");
}

std::string whole_time(double seconds) {
  const auto total = static_cast<std::int64_t>(seconds);
  const std::int64_t hours = total / 3600, minutes = total / 60 % 60, rest = total % 60;
  std::string text;
  if (hours > 0) text += std::to_string(hours) + "h";
  if (minutes > 0) text += std::to_string(minutes) + "m";
  if (rest > 0 || text.empty()) text += std::to_string(rest) + "s";
  return text;
}

}  // namespace

Budget parse_budget(const std::string& text) {
  const std::vector<Part> parts = split(text);
  Budget budget;
  double last_factor = std::numeric_limits<double>::infinity();
  for (const Part& part : parts) {
    const UnitName& unit = find_unit(text, part.unit);
    if (parts.size() > 1) {
      const bool falls =
          unit.unit == BudgetUnit::kSeconds && !part.unit.empty() && unit.factor < last_factor;
      if (!falls) refuse(text, "several numbers are only known for time, larger units first");
    }
    last_factor = unit.factor;
    budget.unit = unit.unit;
    if (!(part.number >= 0.0)) refuse(text, "the amount must be above 0");
    budget.amount += part.number * unit.factor;
  }
  if (!(budget.amount > 0.0) || !std::isfinite(budget.amount))
    refuse(text, "the amount must be above 0");
  const bool counted = budget.unit == BudgetUnit::kTokens || budget.unit == BudgetUnit::kSteps;
  if (counted && budget.amount != std::floor(budget.amount))
    refuse(text, "expected a whole number");
  if (budget.amount > 1e15 && budget.unit != BudgetUnit::kFlops)
    refuse(text, "the amount is too large");
  return budget;
}

std::string format_budget(const Budget& budget) {
  const auto digits = [](double value) { return core::format_number(value, 6); };
  switch (budget.unit) {
    case BudgetUnit::kSeconds:
      if (budget.amount == std::floor(budget.amount) && budget.amount < 1e15)
        return whole_time(budget.amount);
      return digits(budget.amount) + "s";
    case BudgetUnit::kShare:
      return digits(budget.amount * 100.0) + "%";
    case BudgetUnit::kFlops:
      return core::format_flops(budget.amount, 6);
    case BudgetUnit::kTokens:
      return digits(budget.amount) + "tokens";
    case BudgetUnit::kSteps:
      return digits(budget.amount) + "steps";
    case BudgetUnit::kEpochs:
      return digits(budget.amount) + "epochs";
  }
  return {};
}

}  // namespace salf::types
