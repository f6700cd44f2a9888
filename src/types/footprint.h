// Energy, CO2 and money of a run, and the rates that turn seconds into them.
#pragma once

#include "core/fields.h"

namespace salf::types {

// estimated: computed from stated watts; measured: read from a meter of the machine.
enum class FigureSource { kEstimated, kMeasured };
inline std::vector<core::EnumName<FigureSource>> enum_names(FigureSource) {
  return {{FigureSource::kEstimated, "estimated"}, {FigureSource::kMeasured, "measured"}};
}

// The cost of a second of work on this machine. A basis says where a number comes from.
struct Rates {
  double watts = 0.0;  // 0: not known
  FigureSource watts_source = FigureSource::kEstimated;
  std::string watts_basis;
  std::optional<double> gco2_per_kwh;
  std::string gco2_basis;
  // Both prices add up: the machine's hours and its electricity. No price, no currency.
  std::optional<double> price_per_hour;
  std::optional<double> price_per_kwh;
  std::string currency;
  std::string price_basis;

  bool priced() const { return price_per_hour || price_per_kwh; }

  template <class Self, class Visitor> static void fields(Self& self, Visitor& visit) {
    visit(Field{"watts"}.range(0, 1e9), self.watts);
    visit("watts_source", self.watts_source);
    visit("watts_basis", self.watts_basis);
    visit(Field{"gco2_per_kwh"}.range(0, 1e5), self.gco2_per_kwh);
    visit("gco2_basis", self.gco2_basis);
    visit(Field{"price_per_hour"}.range(0, 1e12), self.price_per_hour);
    visit(Field{"price_per_kwh"}.range(0, 1e12), self.price_per_kwh);
    visit("currency", self.currency);
    visit("price_basis", self.price_basis);
  }
};

// The footprint of a run. `source` is the energy's; CO2 is energy times the grid factor, money the
// sum of both prices. Unknown figures are not set.
struct Footprint {
  std::optional<double> energy_joules;
  FigureSource source = FigureSource::kEstimated;
  std::string energy_basis;
  std::optional<double> gco2;
  std::string gco2_basis;
  std::optional<double> money;
  std::string currency;
  std::string money_basis;

  template <class Self, class Visitor> static void fields(Self& self, Visitor& visit) {
    visit(Field{"energy_joules"}.range(0, 1e18), self.energy_joules);
    visit("source", self.source);
    visit("energy_basis", self.energy_basis);
    visit(Field{"gco2"}.range(0, 1e18), self.gco2);
    visit("gco2_basis", self.gco2_basis);
    visit(Field{"money"}.range(0, 1e18), self.money);
    visit("currency", self.currency);
    visit("money_basis", self.money_basis);
  }
};

}  // namespace salf::types
