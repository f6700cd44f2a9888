// What a plan says beside its numbers: which candidates are worth a look, and where the evidence
// disagrees.
#pragma once

#include "policy/rules.h"
#include "types/freeze_plan.h"

namespace salf::policy {

// Sets Candidate::pareto among those that fit and have a loss.
void mark_pareto(types::Candidates& candidates);

// The candidate of the Pareto curve that lies farthest below the line between its ends, both axes
// from 0 to 1; nullptr where the curve has fewer than three points.
const types::Candidate* knee_of(const types::Candidates& candidates);

// Where rules or measures disagree, choices that had not settled, and differences that lie within
// their errors.
std::vector<std::string> notes_on(
    const types::LayerProfile& profile, const types::FreezePlan& plan);

// Adds what a profile says beside a plan that was made without one: the choices of the rules that
// read it, and its notes.
void add_profile(
    const types::LayerProfile& profile, const RuleParameters& parameters, types::FreezePlan& plan);

}  // namespace salf::policy
