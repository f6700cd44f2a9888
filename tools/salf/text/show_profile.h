// Layer profiles.
#pragma once

#include "types/freeze_plan.h"
#include "types/layer_profile.h"

namespace salf::tools {

// A row per space: deviation, gain of the block before it, loss where it was taken, a bar of the
// deviation, and a letter for each rule that cuts behind the space. Then a line per rule. Plain
// ASCII. Below 80 columns the loss is left out, then the gain. REQUIRES: the profile passes
// types::check, width ≥ 40
std::string profile_text(const types::LayerProfile& profile,
    const std::vector<types::RuleChoice>& choices, std::size_t width = 80);

// The rules' choices with the vocabulary beside those without it; a row per domain, and a sentence
// on whether one cut serves all. "" for a profile that has neither. Lines of at most `width`
// columns. REQUIRES: the profile passes types::check, width ≥ 40
std::string domain_text(const types::LayerProfile& profile, std::size_t width = 80);

}  // namespace salf::tools
