// Energy, CO2 and money in a line.
#pragma once

#include <string>

#include "types/footprint.h"

namespace salf::tools {

// "12.3 kJ (3.4 Wh) estimated, 1.6 g CO2, 0.02 EUR"
std::string footprint_text(const types::Footprint& footprint);

}  // namespace salf::tools
