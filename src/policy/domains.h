// Compares the rules' cuts on all words, on the domain's words, and from domain to domain.
#pragma once

#include "policy/rules.h"
#include "types/layer_profile.h"

namespace salf::policy {

// Share of resampled sets of documents in which all domains' ranges hold together.
constexpr double kDomainCoverage = 0.9;

// Fills what a freshly measured profile leaves open: the choices of the rules with the vocabulary
// and without it, those of each domain, and whether one cut serves all. The domains' replicates are
// dropped then: the choices have what they are for.
void choose_for_domains(types::LayerProfile& profile, const RuleParameters& parameters);

}  // namespace salf::policy
