#include "cost/money.h"

#include "cost/energy.h"
#include "cost/table.h"

namespace salf::cost {
namespace {

constexpr double kSecondsPerHour = 3600.0;

double price_of_a_second(const types::Rates& rates) {
  return price(rates, 1.0, rates.watts).value_or(0.0);
}

}  // namespace

PriceTable read_prices(const std::string& path) {
  return read_table<PriceTable>(path, kPricesText, "built-in price table");
}

std::optional<double> price(const types::Rates& rates, double seconds, double joules) {
  if (!rates.priced()) return std::nullopt;
  return rates.price_per_hour.value_or(0.0) * seconds / kSecondsPerHour +
         rates.price_per_kwh.value_or(0.0) * joules / kJoulesPerKwh;
}

types::Budget resolve_budget(types::Budget budget, const types::Rates& rates) {
  if (budget.kind() != types::BudgetKind::kPriced) return budget;
  const std::string text = "budget " + types::format_budget(budget);
  const bool money = budget.unit == types::BudgetUnit::kMoney;
  const std::string currency = core::printable(budget.currency.value_or(""));
  if (money && (!rates.priced() || rates.currency != budget.currency)) {
    const std::string known = rates.priced() ? "the prices are in " + rates.currency +
                                                   ", and there are no exchange rates here"
                                             : "no price in " + currency + " is known";
    throw Error(ErrorKind::kUsage,
        text + ": " + known + "; give --price-per-hour or --price-per-kwh with --currency " +
            currency + ", --rented NAME, or --country CODE with a price in the table");
  }
  if ((!money || rates.price_per_kwh) && !(rates.watts > 0.0))
    throw Error(ErrorKind::kUsage, text + ": the machine's watts are not known; say --watts");
  const double each = money ? price_of_a_second(rates) : rates.watts;
  if (!(each > 0.0))
    throw Error(ErrorKind::kUsage, text + ": at a price of 0 it never ends; give a budget in time");
  budget.seconds = budget.amount / each;
  return budget;
}

double spent_seconds(const types::Budget& budget, const types::Rates& rates, double seconds,
    const std::optional<double>& joules) {
  if (!joules || !(rates.watts > 0.0)) return seconds;
  if (budget.unit == types::BudgetUnit::kJoules) return *joules / rates.watts;
  const double each = price_of_a_second(rates);
  if (budget.unit != types::BudgetUnit::kMoney || !(each > 0.0)) return seconds;
  return price(rates, seconds, *joules).value_or(0.0) / each;
}

}  // namespace salf::cost
