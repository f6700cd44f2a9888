#include "types/budget.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <limits>
#include <string_view>

#include "core/error.h"
#include "core/text.h"

namespace salf::types {
namespace {

// A number and the letters behind it.
struct Part {
  double number = 0.0;
  std::string unit;  // lower case
};

struct Unit {
  std::string_view names;  // each between blanks
  BudgetUnit unit;
  double factor = 1.0;
  std::string_view currency{};
};

// Of currencies those that are known in any case, by sign or word; others by their code in
// capitals.
constexpr Unit kUnits[] = {{" s sec second ", BudgetUnit::kSeconds},
    {" m min minute ", BudgetUnit::kSeconds, 60.0}, {" h hr hour ", BudgetUnit::kSeconds, 3600.0},
    {" d day ", BudgetUnit::kSeconds, 86400.0}, {" % percent ", BudgetUnit::kShare, 0.01},
    {" flop ", BudgetUnit::kFlops}, {" kflop ", BudgetUnit::kFlops, 1e3},
    {" mflop ", BudgetUnit::kFlops, 1e6}, {" gflop ", BudgetUnit::kFlops, 1e9},
    {" tflop ", BudgetUnit::kFlops, 1e12}, {" pflop ", BudgetUnit::kFlops, 1e15},
    {" eflop ", BudgetUnit::kFlops, 1e18}, {" token ", BudgetUnit::kTokens},
    {" step ", BudgetUnit::kSteps}, {" epoch ", BudgetUnit::kEpochs},
    {" j joule ", BudgetUnit::kJoules}, {" kj ", BudgetUnit::kJoules, 1e3},
    {" mj ", BudgetUnit::kJoules, 1e6}, {" wh ", BudgetUnit::kJoules, 3.6e3},
    {" kwh ", BudgetUnit::kJoules, 3.6e6}, {" mwh ", BudgetUnit::kJoules, 3.6e9},
    {" usd $ dollar ", BudgetUnit::kMoney, 1.0, "USD"},
    {" eur € euro ", BudgetUnit::kMoney, 1.0, "EUR"},
    {" gbp £ pound ", BudgetUnit::kMoney, 1.0, "GBP"},
    {" jpy ¥ yen 円 ", BudgetUnit::kMoney, 1.0, "JPY"}, {" chf ", BudgetUnit::kMoney, 1.0, "CHF"},
    {" cny ", BudgetUnit::kMoney, 1.0, "CNY"}, {" inr ", BudgetUnit::kMoney, 1.0, "INR"},
    {" krw ", BudgetUnit::kMoney, 1.0, "KRW"}, {" cad ", BudgetUnit::kMoney, 1.0, "CAD"},
    {" aud ", BudgetUnit::kMoney, 1.0, "AUD"}, {" sek ", BudgetUnit::kMoney, 1.0, "SEK"},
    {" pln ", BudgetUnit::kMoney, 1.0, "PLN"}};

[[noreturn]] void refuse(const std::string& text, const std::string& problem) {
  throw Error(ErrorKind::kUsage,
      "budget \"" + text + "\": " + problem +
          "; expected time (90, 90s, 3m, 1h30m), a share of full fine-tuning (40%), FLOPs "
          "(1e15FLOP, 2PFLOP), energy (0.3kWh, 1MJ), money (5USD, 600JPY), 50000tokens, "
          "200steps or 3epochs");
}

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }
bool digit(char c) { return c >= '0' && c <= '9'; }

// In lower case and without blanks.
std::string in_short(const std::string& text) {
  std::string out = core::without_blanks(text);
  std::transform(out.begin(), out.end(), out.begin(), lower);
  return out;
}

// "1h 30m" -> {1, "h"}, {30, "m"}
std::vector<Part> split(const std::string& text) {
  const std::string compact = in_short(text);
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

// "$5" -> "5$": a sign may stand before its amount.
std::string sign_behind(const std::string& text) {
  const std::size_t start = text.find_first_not_of(" \t");
  if (start == std::string::npos) return text;
  for (const std::string sign : {"$", "€", "£", "¥"}) {
    if (text.compare(start, sign.size(), sign) == 0) return text.substr(start + sign.size()) + sign;
  }
  return text;
}

// The code in capitals that the text ends with, or "".
std::string_view code_behind(std::string_view text) {
  const auto capital = [](char c) { return c >= 'A' && c <= 'Z'; };
  const std::size_t end = text.find_last_not_of(" \t");
  if (end == std::string_view::npos || end < 2) return "";
  const std::string_view code = text.substr(end - 2, 3);
  return std::all_of(code.begin(), code.end(), capital) ? code : "";
}

// `alone`: the text has one number, which may be of money. The currency may be a part of `text`.
Unit find_unit(const std::string& text, const std::string& unit, bool alone) {
  std::string name = unit.empty() ? "s" : unit;
  if (name.size() > 2 && name.back() == 's') name.pop_back();
  for (const Unit& known : kUnits) {
    if ((alone || known.unit != BudgetUnit::kMoney) &&
        known.names.find(" " + name + " ") != std::string_view::npos)
      return known;
  }
  const std::string_view code = alone && unit.size() == 3 ? code_behind(text) : "";
  if (!code.empty()) return {"", BudgetUnit::kMoney, 1.0, code};
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
  Budget budget;
  double last_factor = std::numeric_limits<double>::infinity();
  for (const Part& part : parts) {
    const Unit unit = find_unit(text, part.unit, parts.size() == 1);
    if (parts.size() > 1) {
      const bool falls =
          unit.unit == BudgetUnit::kSeconds && !part.unit.empty() && unit.factor < last_factor;
      if (!falls) refuse(text, "several numbers are only known for time, larger units first");
    }
    last_factor = unit.factor;
    budget.unit = unit.unit;
    if (!unit.currency.empty()) budget.currency = unit.currency;
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
    case BudgetUnit::kTokens:
    case BudgetUnit::kSteps:
    case BudgetUnit::kEpochs: return digits(budget.amount) + core::enum_to_string(budget.unit);
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
  const std::string compact = in_short(text);
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
  if (!core::ends_with(text, "%")) return core::parse_number(text);
  const std::optional<double> percent = core::parse_number(text.substr(0, text.size() - 1));
  return percent ? std::optional(*percent / 100.0) : std::nullopt;
}

}  // namespace salf::types
