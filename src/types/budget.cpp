#include "types/budget.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <limits>
#include <optional>
#include <vector>

#include "core/error.h"
#include "core/text.h"

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
    UnitName{"", BudgetUnit::kSeconds, 1.0},
    UnitName{"s", BudgetUnit::kSeconds, 1.0},
    UnitName{"sec", BudgetUnit::kSeconds, 1.0},
    UnitName{"second", BudgetUnit::kSeconds, 1.0},
    UnitName{"m", BudgetUnit::kSeconds, 60.0},
    UnitName{"min", BudgetUnit::kSeconds, 60.0},
    UnitName{"minute", BudgetUnit::kSeconds, 60.0},
    UnitName{"h", BudgetUnit::kSeconds, 3600.0},
    UnitName{"hr", BudgetUnit::kSeconds, 3600.0},
    UnitName{"hour", BudgetUnit::kSeconds, 3600.0},
    UnitName{"d", BudgetUnit::kSeconds, 86400.0},
    UnitName{"day", BudgetUnit::kSeconds, 86400.0},
    UnitName{"%", BudgetUnit::kShare, 0.01},
    UnitName{"percent", BudgetUnit::kShare, 0.01},
    UnitName{"flop", BudgetUnit::kFlops, 1.0},
    UnitName{"kflop", BudgetUnit::kFlops, 1e3},
    UnitName{"mflop", BudgetUnit::kFlops, 1e6},
    UnitName{"gflop", BudgetUnit::kFlops, 1e9},
    UnitName{"tflop", BudgetUnit::kFlops, 1e12},
    UnitName{"pflop", BudgetUnit::kFlops, 1e15},
    UnitName{"eflop", BudgetUnit::kFlops, 1e18},
    UnitName{"token", BudgetUnit::kTokens, 1.0},
    UnitName{"step", BudgetUnit::kSteps, 1.0},
    UnitName{"epoch", BudgetUnit::kEpochs, 1.0},
    UnitName{"j", BudgetUnit::kJoules, 1.0},
    UnitName{"joule", BudgetUnit::kJoules, 1.0},
    UnitName{"kj", BudgetUnit::kJoules, 1e3},
    UnitName{"mj", BudgetUnit::kJoules, 1e6},
    UnitName{"wh", BudgetUnit::kJoules, 3.6e3},
    UnitName{"kwh", BudgetUnit::kJoules, 3.6e6},
    UnitName{"mwh", BudgetUnit::kJoules, 3.6e9},
};

// Currencies that are known in any case, and by sign or word; others by their code in capitals.
struct CurrencyName {
  const char* name;
  const char* code;
};
constexpr std::array kCurrencies = {
    CurrencyName{"usd", "USD"},
    CurrencyName{"$", "USD"},
    CurrencyName{"dollar", "USD"},
    CurrencyName{"eur", "EUR"},
    CurrencyName{"€", "EUR"},
    CurrencyName{"euro", "EUR"},
    CurrencyName{"gbp", "GBP"},
    CurrencyName{"£", "GBP"},
    CurrencyName{"pound", "GBP"},
    CurrencyName{"jpy", "JPY"},
    CurrencyName{"¥", "JPY"},
    CurrencyName{"yen", "JPY"},
    CurrencyName{"円", "JPY"},
    CurrencyName{"chf", "CHF"},
    CurrencyName{"cny", "CNY"},
    CurrencyName{"inr", "INR"},
    CurrencyName{"krw", "KRW"},
    CurrencyName{"cad", "CAD"},
    CurrencyName{"aud", "AUD"},
    CurrencyName{"sek", "SEK"},
    CurrencyName{"pln", "PLN"},
};

[[noreturn]] void refuse(const std::string& text, const std::string& problem) {
  throw Error(ErrorKind::kUsage,
      "budget \"" + text + "\": " + problem +
          "; expected time (90, 90s, 3m, 1h30m), a share of full fine-tuning (40%), FLOPs "
          "(1e15FLOP, 2PFLOP), energy (0.3kWh, 1MJ), money (5USD, 600JPY), 50000tokens, "
          "200steps or "
          "3epochs");
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

// "$5" -> "5$": a sign may stand before its amount.
std::string sign_behind(const std::string& text) {
  const std::size_t start = text.find_first_not_of(" \t");
  if (start == std::string::npos) return text;
  for (const std::string sign : {"$", "€", "£", "¥"}) {
    if (text.compare(start, sign.size(), sign) == 0) return text.substr(start + sign.size()) + sign;
  }
  return text;
}

// The code of the currency that the text ends with, or "".
std::string currency_of(const std::string& text, const std::string& unit) {
  const std::string name = singular(unit);
  for (const CurrencyName& known : kCurrencies) {
    if (name == known.name) return known.code;
  }
  const auto capital = [](char c) { return c >= 'A' && c <= 'Z'; };
  const std::size_t end = text.find_last_not_of(" \t");
  if (unit.size() != 3 || end == std::string::npos || end < 2) return "";
  const std::string code = text.substr(end - 2, 3);
  return capital(code[0]) && capital(code[1]) && capital(code[2]) ? code : "";
}

const UnitName& find_unit(const std::string& text, const std::string& unit) {
  const std::string name = singular(unit);
  for (const UnitName& known : kUnits) {
    if (name == known.name) return known;
  }
  if (name == "cent") refuse(text, "write cents as a part of their currency (0.05USD)");
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

// Money, where the text is an amount of it.
std::optional<Budget> money(const std::string& text, const std::vector<Part>& parts) {
  if (parts.size() != 1) return std::nullopt;
  for (const UnitName& known : kUnits) {
    if (singular(parts[0].unit) == known.name) return std::nullopt;
  }
  const std::string code = currency_of(text, parts[0].unit);
  if (code.empty()) return std::nullopt;
  if (!(parts[0].number > 0.0)) refuse(text, "the amount must be above 0");
  if (parts[0].number > 1e15) refuse(text, "the amount is too large");
  return Budget{parts[0].number, BudgetUnit::kMoney, code};
}

}  // namespace

BudgetKind Budget::kind() const {
  switch (unit) {
    case BudgetUnit::kSeconds: return BudgetKind::kClock;
    case BudgetUnit::kJoules:
    case BudgetUnit::kMoney: return BudgetKind::kPriced;
    case BudgetUnit::kShare:
    case BudgetUnit::kFlops: return BudgetKind::kWork;
    case BudgetUnit::kTokens:
    case BudgetUnit::kSteps:
    case BudgetUnit::kEpochs: break;
  }
  return BudgetKind::kCounted;
}

Budget Budget::times(double factor) const {
  Budget other = *this;
  other.amount *= factor;
  other.seconds *= factor;
  if (unit == BudgetUnit::kSteps || unit == BudgetUnit::kTokens)
    other.amount = std::max(1.0, std::floor(other.amount));
  return other;
}

Budget parse_budget(const std::string& given) {
  const std::string text = sign_behind(given);
  const std::vector<Part> parts = split(text);
  if (const std::optional<Budget> in_money = money(text, parts)) return *in_money;
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
    case BudgetUnit::kShare: return digits(budget.amount * 100.0) + "%";
    case BudgetUnit::kFlops: return core::format_flops(budget.amount, 6);
    case BudgetUnit::kTokens: return digits(budget.amount) + "tokens";
    case BudgetUnit::kSteps: return digits(budget.amount) + "steps";
    case BudgetUnit::kEpochs: return digits(budget.amount) + "epochs";
    case BudgetUnit::kJoules:
      if (budget.amount >= 3.6e6) return digits(budget.amount / 3.6e6) + "kWh";
      return budget.amount >= 3.6e3 ? digits(budget.amount / 3.6e3) + "Wh"
                                    : digits(budget.amount) + "J";
    case BudgetUnit::kMoney: return digits(budget.amount) + budget.currency.value_or("");
  }
  return {};
}

double parse_bytes(const std::string& text) {
  const auto refuse_bytes = [&text](const char* problem) {
    throw Error(ErrorKind::kUsage,
        "memory \"" + text + "\": " + problem + "; expected 4GiB, 500MB or a number of bytes");
  };
  std::string compact;
  for (const char c : text) {
    if (c != ' ' && c != '\t') compact += lower(c);
  }
  double number = 0.0;
  const char* const end = compact.data() + compact.size();
  const auto [behind, code] = std::from_chars(compact.data(), end, number);
  if (code != std::errc() || compact.empty() || !(digit(compact[0]) || compact[0] == '.'))
    refuse_bytes("expected a number");
  std::string unit(behind, end);
  if (!unit.empty() && unit.back() == 'b') unit.pop_back();
  const bool binary = unit.size() == 2 && unit[1] == 'i';
  const std::string prefixes = "kmgt";
  double factor = 1.0;
  if (!unit.empty()) {
    const std::size_t power = prefixes.find(unit[0]);
    if (power == std::string::npos || (unit.size() > 1 && !binary))
      refuse_bytes("the unit is not known");
    factor = std::pow(binary ? 1024.0 : 1000.0, static_cast<double>(power + 1));
  }
  if (!(number > 0.0) || !(number * factor <= 1e18))
    refuse_bytes("the amount must be above 0 and at most 1e18 bytes");
  return number * factor;
}

std::optional<double> parse_share(const std::string& text) {
  const bool percent = !text.empty() && text.back() == '%';
  const char* const end = text.data() + text.size() - (percent ? 1 : 0);
  double share = 0.0;
  const auto [behind, code] = std::from_chars(text.data(), end, share);
  if (code != std::errc() || behind != end || !std::isfinite(share)) return std::nullopt;
  return percent ? share / 100.0 : share;
}

}  // namespace salf::types
