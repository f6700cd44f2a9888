// How does a layer profile look in a terminal? As a table of its spaces, 80 columns at most, and what each rule
// makes of it.
#pragma once

#include <string>
#include <vector>

#include "salf/types/freeze_plan.h"
#include "salf/types/layer_profile.h"

namespace salf::tools {

// One row per space: deviation, gain of the block before it, loss where it was taken, a bar of the deviation, and
// "<- max-gain" where a rule cuts behind the space. Then one line per rule. Plain ASCII.
// REQUIRES: the profile passes types::check
std::string profile_text(const types::LayerProfile& profile, const std::vector<types::RuleChoice>& choices);

}  // namespace salf::tools
