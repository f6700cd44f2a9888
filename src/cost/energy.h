// How much energy and CO2 does a run take?
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "core/fields.h"
#include "types/footprint.h"

namespace salf::cost {

inline constexpr double kJoulesPerKwh = 3.6e6;

struct GridFactor {
  std::string country;  // ISO 3166 code of two letters, or "world"
  double gco2_per_kwh = 0.0;

  template <class Self, class Visitor>
  static void fields(Self& self, Visitor& visit) {
    using core::Field;
    visit(Field{"country"}, self.country);
    visit(Field{"gco2_per_kwh"}.range(0, 1e4), self.gco2_per_kwh);
  }
};

// configs/grid.json
struct GridTable {
  static constexpr const char* kSchema = "salf.grid/1";
  std::string source;
  std::string date;
  std::vector<GridFactor> factors;

  template <class Self, class Visitor>
  static void fields(Self& self, Visitor& visit) {
    using core::Field;
    visit(Field{"source"}, self.source);
    visit(Field{"date"}, self.date);
    visit(Field{"factors"}, self.factors);
  }
};

// The table in `path`, or "": the one that the program was built with. Throws Error(kIo),
// Error(kBadInput).
GridTable read_grid(const std::string& path);

// Of a meter: what was read, over how long, and what it covers.
struct MeasuredEnergy {
  double joules = 0.0;
  double seconds = 0.0;
  std::string basis;
};

// Energy, CO2 and money of `seconds` of work at these rates. What was measured counts as measured,
// and what of the time it does not cover (a process before this one) is estimated at the rates'
// watts, and says so.
types::Footprint footprint(const types::Rates& rates, double seconds,
    const std::optional<MeasuredEnergy>& measured = std::nullopt);

}  // namespace salf::cost
