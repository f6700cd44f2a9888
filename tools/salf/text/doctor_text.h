// What salf found on a machine.
#pragma once

#include "app/doctor/doctor.h"
#include "text/columns.h"

namespace salf::tools {

// Lines of at most the style's width (40 at least); long paths are broken.
std::string doctor_text(const app::MachineReport& report, const TextStyle& style);

}  // namespace salf::tools
