#include "cost/energy.h"

#include <algorithm>

#include "cost/money.h"
#include "cost/table.h"

namespace salf::cost {
namespace {

// A meter open for this share of the time has measured the run.
constexpr double kCovered = 0.98;

}  // namespace

GridTable read_grid(const std::string& path) {
  return read_table<GridTable>(path, kGridText, "built-in grid table");
}

types::Footprint footprint(
    const types::Rates& rates, double seconds, const std::optional<MeasuredEnergy>& measured) {
  types::Footprint result;
  const std::string stated = core::format_number(rates.watts, 3) + " W: " + rates.watts_basis;
  const bool covered = measured && measured->seconds >= kCovered * seconds;
  if (!(rates.watts > 0.0) && !covered) {
    result.energy_basis = rates.watts_basis;
  } else if (!measured) {
    result.energy_joules = rates.watts * seconds;
    result.energy_basis = stated;
  } else if (covered) {
    result.energy_joules = measured->joules;
    result.source = types::FigureSource::kMeasured;
    result.energy_basis = measured->basis;
  } else {
    result.energy_joules =
        measured->joules + rates.watts * std::max(0.0, seconds - measured->seconds);
    result.energy_basis = "measured for " + core::format_seconds(measured->seconds) + " of " +
                          core::format_seconds(seconds) + " (" + measured->basis +
                          "), the rest at " + stated;
  }
  if (rates.gco2_per_kwh && result.energy_joules) {
    result.gco2 = *rates.gco2_per_kwh * *result.energy_joules / kJoulesPerKwh;
    result.gco2_basis = rates.gco2_basis;
  }
  if (result.energy_joules || !rates.price_per_kwh)
    result.money = price(rates, seconds, result.energy_joules.value_or(0.0));
  if (result.money) {
    result.currency = rates.currency;
    result.money_basis = rates.price_basis;
  }
  return result;
}

}  // namespace salf::cost
