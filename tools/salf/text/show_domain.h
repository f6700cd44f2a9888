// The domain vocabulary and the domains of a profile.
#pragma once

#include <cstddef>
#include <string>

#include "types/layer_profile.h"

namespace salf::tools {

// The rules' choices with the vocabulary beside those without it; a row per domain, and a sentence
// on whether one cut serves all. "" for a profile that has neither. Lines of at most `width`
// columns. REQUIRES: the profile passes types::check, width ≥ 40
std::string domain_text(const types::LayerProfile& profile, std::size_t width = 80);

}  // namespace salf::tools
