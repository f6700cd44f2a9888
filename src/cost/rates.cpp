#include "cost/rates.h"

#include <algorithm>
#include <cmath>

#include "core/error.h"
#include "core/log.h"
#include "core/text.h"
#include "cost/energy.h"
#include "cost/money.h"

namespace salf::cost {
namespace {

bool is_upper_code(const std::string& text, std::size_t length) {
  return text.size() == length &&
         std::all_of(text.begin(), text.end(), [](char c) { return c >= 'A' && c <= 'Z'; });
}

template <class Entry> const Entry* find(
    const std::vector<Entry>& entries, std::string Entry::*name, const std::string& wanted) {
  for (const Entry& entry : entries) {
    if (entry.*name == wanted) return &entry;
  }
  return nullptr;
}

template <class Entry>
std::string names(const std::vector<Entry>& entries, std::string Entry::*name) {
  std::vector<std::string> all;
  for (const Entry& entry : entries) all.push_back(entry.*name);
  return core::join(all, ", ");
}

// "2.5 USD an hour"
std::string price_text(double price, const std::string& currency, const char* unit) {
  return core::format_number(price) + " " + currency + " " + unit;
}

void set_grid(const RateOptions& options, types::Rates& rates) {
  if (options.grid_gco2_per_kwh) {
    rates.gco2_per_kwh = options.grid_gco2_per_kwh;
    rates.gco2_basis = core::format_number(*options.grid_gco2_per_kwh) + " gCO2/kWh as given";
    return;
  }
  const GridTable grid = read_grid(options.grid_table);
  const std::string country = options.country.empty() ? "world" : options.country;
  const GridFactor* const factor = find(grid.factors, &GridFactor::country, country);
  if (factor == nullptr) {
    throw Error(ErrorKind::kUsage,
        "--country " + core::printable(country) + ": the grid table has no factor for it; give " +
            "--grid-gco2-per-kwh, or one of " + names(grid.factors, &GridFactor::country));
  }
  rates.gco2_per_kwh = factor->gco2_per_kwh;
  rates.gco2_basis =
      core::format_number(factor->gco2_per_kwh) + " gCO2/kWh, " +
      (options.country.empty() ? "the world's mean (--country is more exact)" : country) + ", " +
      grid.date + " (" + grid.source + ")";
}

// Prices that the user gave.
void set_given_prices(
    const RateOptions& options, const types::Budget& budget, types::Rates& rates) {
  rates.price_per_hour = options.price_per_hour;
  rates.price_per_kwh = options.price_per_kwh;
  rates.currency = !options.currency.empty() ? options.currency : budget.currency.value_or("");
  if (rates.currency.empty())
    throw Error(ErrorKind::kUsage, "a price needs its --currency, such as USD");
  std::vector<std::string> parts;
  if (rates.price_per_hour)
    parts.push_back(price_text(*rates.price_per_hour, rates.currency, "an hour"));
  if (rates.price_per_kwh)
    parts.push_back(price_text(*rates.price_per_kwh, rates.currency, "a kWh"));
  rates.price_basis = core::join(parts, " and ") + " as given";
}

void set_rented(const RateOptions& options, const PriceTable& prices, types::Rates& rates) {
  const MachinePrice* const machine = find(prices.per_hour, &MachinePrice::name, options.rented);
  if (machine == nullptr) {
    throw Error(ErrorKind::kUsage, "--rented " + core::printable(options.rented) +
                                       ": the price table has " +
                                       names(prices.per_hour, &MachinePrice::name) +
                                       "; for others give --price-per-hour and --currency");
  }
  rates.price_per_hour = machine->price;
  rates.currency = machine->currency;
  rates.price_basis = price_text(machine->price, machine->currency, "an hour, ") + machine->name +
                      ", " + machine->date + " (" + machine->source + ")";
}

void set_country_price(const RateOptions& options, const PriceTable& prices, types::Rates& rates) {
  const ElectricityPrice* const country =
      find(prices.per_kwh, &ElectricityPrice::country, options.country);
  if (country == nullptr) return;  // its grid factor may be all that is wanted
  rates.price_per_kwh = country->price;
  rates.currency = country->currency;
  rates.price_basis =
      price_text(country->price, country->currency, "a kWh of electricity alone, ") +
      options.country + ", " + country->date + " (" + country->source + ")";
}

void set_prices(const RateOptions& options, const types::Budget& budget, types::Rates& rates) {
  if (options.price_per_hour || options.price_per_kwh) {
    set_given_prices(options, budget, rates);
    return;
  }
  const PriceTable prices = read_prices(options.price_table);
  if (!options.rented.empty()) {
    set_rented(options, prices, rates);
  } else if (!options.country.empty()) {
    set_country_price(options, prices, rates);
  }
  if (rates.priced() && !options.currency.empty() && options.currency != rates.currency) {
    throw Error(ErrorKind::kUsage,
        "--currency " + options.currency + ": the price in the table is in " + rates.currency +
            ", and there are no exchange rates here; give --price-per-hour or --price-per-kwh");
  }
}

}  // namespace

std::vector<std::string> RateOptions::problems() const {
  std::vector<std::string> problems;
  if (!country.empty() && country != "world" && !is_upper_code(country, 2)) {
    problems.push_back("--country: expected two capital letters (DE, JP, US), got \"" +
                       core::printable(country) + "\"");
  }
  if (!currency.empty() && !is_upper_code(currency, 3)) {
    problems.push_back("--currency: expected three capital letters (USD, EUR, JPY), got \"" +
                       core::printable(currency) + "\"");
  }
  if (!rented.empty() && price_per_hour)
    problems.emplace_back("--rented already says the price of an hour: leave out --price-per-hour");
  if (!rented.empty() && price_per_kwh)
    problems.emplace_back("--rented includes electricity: leave out --price-per-kwh");
  return problems;
}

types::Rates make_rates(
    const RateOptions& options, const MachineFacts& machine, const types::Budget& budget) {
  types::Rates rates;
  if (options.watts) {
    rates.watts = *options.watts;
    rates.watts_basis = "as given";
  } else {
    const StatedWatts stated = stated_watts(read_hardware(options.hardware_table), machine);
    rates.watts = stated.watts;
    rates.watts_basis = stated.basis;
  }
  set_grid(options, rates);
  set_prices(options, budget, rates);
  return rates;
}

types::Rates sum_of_ranks(const std::vector<RankRates>& ranks, bool watts_given) {
  types::Rates sum = ranks.front().rates;
  sum.watts = 0.0;
  if (sum.price_per_hour) sum.price_per_hour = 0.0;
  std::int64_t machines = 0;
  for (const RankRates& one : ranks) {
    if (one.first_on_machine) {
      ++machines;
      if (sum.price_per_hour) *sum.price_per_hour += one.rates.price_per_hour.value_or(0.0);
    }
    if (watts_given && !one.first_on_machine) continue;
    sum.watts += one.rates.watts > 0.0 ? one.rates.watts : std::nan("");
  }
  if (std::isnan(sum.watts)) sum.watts = 0.0;
  const std::string counted = std::to_string(ranks.size()) + " ranks on " +
                              std::to_string(machines) +
                              (machines == 1 ? " machine: " : " machines: ");
  sum.watts_basis = counted + (sum.watts > 0.0 ? "" : "not known of each: ") + sum.watts_basis;
  if (sum.price_per_hour) sum.price_basis = counted + sum.price_basis;
  return sum;
}

types::Rates with_measured_watts(
    types::Rates rates, double joules, double seconds, const std::string& basis) {
  if (!(joules > 0.0) || !(seconds > 0.0)) return rates;
  rates.watts = joules / seconds;
  rates.watts_source = types::FigureSource::kMeasured;
  rates.watts_basis = "measured over " + core::format_seconds(seconds) + ": " + basis;
  return rates;
}

}  // namespace salf::cost
