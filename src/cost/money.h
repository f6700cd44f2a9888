// Prices, and the length of a budget in money or energy.
#pragma once

#include "types/budget.h"
#include "types/footprint.h"

namespace salf::cost {

struct ElectricityPrice {
  std::string country;   // ISO 3166 code of two letters
  std::string currency;  // ISO 4217
  double price = 0.0;    // per kWh
  std::string date, source;

  template <class Self, class Visitor> static void fields(Self& self, Visitor& visit) {
    visit("country", self.country);
    visit("currency", self.currency);
    visit(Field{"price"}.range(0, 1e9), self.price);
    visit("date", self.date);
    visit("source", self.source);
  }
};

struct MachinePrice {
  std::string name;  // "aws:g5.xlarge"
  std::string currency;
  double price = 0.0;  // per hour
  std::string date, source;

  template <class Self, class Visitor> static void fields(Self& self, Visitor& visit) {
    visit("name", self.name);
    visit("currency", self.currency);
    visit(Field{"price"}.range(0, 1e9), self.price);
    visit("date", self.date);
    visit("source", self.source);
  }
};

// configs/prices.json
struct PriceTable {
  static constexpr const char* kSchema = "salf.prices/1";
  std::vector<ElectricityPrice> per_kwh;
  std::vector<MachinePrice> per_hour;

  template <class Self, class Visitor> static void fields(Self& self, Visitor& visit) {
    visit("per_kwh", self.per_kwh);
    visit("per_hour", self.per_hour);
  }
};

// Reads the table in `path`; "" gives the built-in one. Throws Error(kIo), Error(kBadInput).
PriceTable read_prices(const std::string& path);

// The price of so many seconds and joules; nothing without a price.
std::optional<double> price(const types::Rates& rates, double seconds, double joules);

// The budget with the seconds that it lasts at these rates, where it is one in energy or money;
// others as they are. Throws Error(kUsage) for money without a price in its currency, and where the
// watts are not known.
types::Budget resolve_budget(types::Budget budget, const types::Rates& rates);

// The spent part of such a budget in the same seconds. Measured joules count at the rates' watts,
// or at their price; without them, and for budgets in time, the result is `seconds`.
double spent_seconds(const types::Budget& budget, const types::Rates& rates, double seconds,
    const std::optional<double>& joules);

}  // namespace salf::cost
