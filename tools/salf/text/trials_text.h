// Trials as a table.
#pragma once

#include <string>

#include "types/trial_table.h"

namespace salf::tools {

// Lines are at most 80 columns wide.
std::string trials_text(const types::TrialTable& table);

}  // namespace salf::tools
