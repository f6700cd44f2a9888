#include "text/footprint_text.h"

#include "core/log.h"
#include "core/text.h"

namespace salf::tools {
namespace {

std::string energy_text(double joules) {
  if (joules >= 3.6e6) return core::format_number(joules / 3.6e6, 3) + " kWh";
  if (joules >= 3.6e3) return core::format_number(joules / 3.6e3, 3) + " Wh";
  return core::format_number(joules, 3) + " J";
}

}  // namespace

std::string footprint_text(const types::Footprint& footprint) {
  std::string text = footprint.energy_joules ? energy_text(*footprint.energy_joules) + " " +
                                                   core::enum_to_string(footprint.source)
                                             : std::string("energy not known");
  if (footprint.gco2) text += ", " + core::format_number(*footprint.gco2, 3) + " g CO2";
  if (footprint.money)
    text += ", " + core::format_number(*footprint.money, 3) + " " +
            core::printable(footprint.currency, 8);
  return text;
}

}  // namespace salf::tools
