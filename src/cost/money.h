// What does a run cost in money, and how long does a budget in money or energy last?
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "core/fields.h"
#include "types/budget.h"
#include "types/footprint.h"

namespace salf::cost {

struct ElectricityPrice {
  std::string country;   // ISO 3166 code of two letters
  std::string currency;  // ISO 4217
  double price = 0.0;    // per kWh
  std::string date, source;

  template <class Self, class Visitor>
  static void fields(Self& self, Visitor& visit) {
    using core::Field;
    visit(Field{"country"}, self.country);
    visit(Field{"currency"}, self.currency);
    visit(Field{"price"}.range(0, 1e9), self.price);
    visit(Field{"date"}, self.date);
    visit(Field{"source"}, self.source);
  }
};

struct MachinePrice {
  std::string name;  // "aws:g5.xlarge"
  std::string currency;
  double price = 0.0;  // per hour
  std::string date, source;

  template <class Self, class Visitor>
  static void fields(Self& self, Visitor& visit) {
    using core::Field;
    visit(Field{"name"}, self.name);
    visit(Field{"currency"}, self.currency);
    visit(Field{"price"}.range(0, 1e9), self.price);
    visit(Field{"date"}, self.date);
    visit(Field{"source"}, self.source);
  }
};

// configs/prices.json
struct PriceTable {
  static constexpr const char* kSchema = "salf.prices/1";
  std::vector<ElectricityPrice> per_kwh;
  std::vector<MachinePrice> per_hour;

  template <class Self, class Visitor>
  static void fields(Self& self, Visitor& visit) {
    using core::Field;
    visit(Field{"per_kwh"}, self.per_kwh);
    visit(Field{"per_hour"}, self.per_hour);
  }
};

// The table in `path`, or "": the one that the program was built with. Throws Error(kIo),
// Error(kBadInput).
PriceTable read_prices(const std::string& path);

// Price of so many seconds and joules; nothing without a price.
std::optional<double> price(const types::Rates& rates, double seconds, double joules);

// The budget with the seconds that it lasts at these rates, where it is one in energy or money;
// others as they are. Throws Error(kUsage) for money without a price in its currency, and where the
// watts are not known.
types::Budget resolve_budget(types::Budget budget, const types::Rates& rates);

// What has been spent of such a budget, as seconds of those: `seconds` themselves where nothing was
// measured or the budget is one in time; else the joules (and their price) over what a second was
// taken to take.
double spent_seconds(const types::Budget& budget, const types::Rates& rates, double seconds,
    const std::optional<double>& joules);

}  // namespace salf::cost
