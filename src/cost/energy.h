// Energy, CO2 and money of a run.
#pragma once

#include "types/footprint.h"

namespace salf::cost {

inline constexpr double kJoulesPerKwh = 3.6e6;

struct GridFactor {
  std::string country;  // ISO 3166 code of two letters, or "world"
  double gco2_per_kwh = 0.0;

  template <class Self, class Visitor> static void fields(Self& self, Visitor& visit) {
    visit("country", self.country);
    visit(Field{"gco2_per_kwh"}.range(0, 1e4), self.gco2_per_kwh);
  }
};

// configs/grid.json
struct GridTable {
  static constexpr const char* kSchema = "salf.grid/1";
  std::string source;
  std::string date;
  std::vector<GridFactor> factors;

  template <class Self, class Visitor> static void fields(Self& self, Visitor& visit) {
    visit("source", self.source);
    visit("date", self.date);
    visit("factors", self.factors);
  }
};

// Reads the table in `path`; "" gives the built-in one. Throws Error(kIo), Error(kBadInput).
GridTable read_grid(const std::string& path);

// A meter's reading, its duration, and what it covers.
struct MeasuredEnergy {
  double joules = 0.0;
  double seconds = 0.0;
  std::string basis;
};

// Energy, CO2 and money of `seconds` of work at these rates. Time that the meter did not cover (an
// earlier process) is estimated at the rates' watts; the basis then says so.
types::Footprint footprint(const types::Rates& rates, double seconds,
    const std::optional<MeasuredEnergy>& measured = std::nullopt);

}  // namespace salf::cost
