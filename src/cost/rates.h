// The watts, grid factor and prices of a run, from the user's options, the tables and the meter.
#pragma once

#include "cost/hardware.h"
#include "types/freeze_plan.h"

namespace salf::cost {

struct RateOptions {
  std::optional<double> price_per_hour;
  std::optional<double> price_per_kwh;
  std::string currency;
  std::string country;
  std::string rented;
  std::optional<double> grid_gco2_per_kwh;
  std::optional<double> watts;
  std::string hardware_table, price_table, grid_table;

  template <class Self, class Visitor> static void fields(Self& self, Visitor& visit) {
    core::begin_group(visit, "Rates");
    visit(Field{"price_per_hour", "price of an hour of this machine, in --currency"}.range(0, 1e9),
        self.price_per_hour);
    visit(Field{"price_per_kwh", "price of a kilowatt-hour, in --currency"}.range(0, 1e9),
        self.price_per_kwh);
    visit(Field{"currency", "currency of the prices given here: USD, EUR, JPY, …"}, self.currency);
    visit(Field{"country",
              "two letters: its electricity price and CO2 per kWh are taken from the tables"},
        self.country);
    visit(
        Field{"rented", "a rented machine of the price table, such as aws:g5.xlarge"}, self.rented);
    visit(Field{"grid_gco2_per_kwh", "grams of CO2 of a kilowatt-hour instead of the country's"}
              .range(0, 1e4),
        self.grid_gco2_per_kwh);
    visit(Field{"watts", "what this machine draws while it trains, instead of the table's"}.range(
              0.1, 1e6),
        self.watts);
    visit(Field{"hardware_table",
              "JSON file like configs/hardware.json to use instead of the built-in table"},
        self.hardware_table);
    visit(Field{"price_table",
              "JSON file like configs/prices.json to use instead of the built-in table"},
        self.price_table);
    visit(Field{"grid_table",
              "JSON file like configs/grid.json to use instead of the built-in table"},
        self.grid_table);
  }

  // Contradictions among the options, one message each.
  std::vector<std::string> problems() const;
};

// Resolves the options. Watts are the table's; with_measured_watts can replace them later. Without
// --country and --grid-gco2-per-kwh the grid factor is the world's mean. A budget in money gives
// the currency of --price-… where --currency does not. Throws Error(kUsage) for an unknown country
// or machine and for currencies that differ (exchange rates are unknown), Error(kIo) and
// Error(kBadInput) for tables.
types::Rates make_rates(
    const RateOptions& options, const MachineFacts& machine, const types::Budget& budget);

// The rates with a meter's watts over `seconds`; unchanged without joules or seconds.
types::Rates with_measured_watts(
    types::Rates rates, double joules, double seconds, const std::string& basis);

// What all ranks of a run take together. Each machine's hours, and watts that were given for it,
// count once: for the first of its ranks. Watts of the table are those of a rank's own threads and
// GPU. Watts that are not known of one are not known of all. REQUIRES: ranks is not empty
struct RankRates {
  types::Rates rates;
  bool first_on_machine = true;
};
types::Rates sum_of_ranks(const std::vector<RankRates>& ranks, bool watts_given);

}  // namespace salf::cost
