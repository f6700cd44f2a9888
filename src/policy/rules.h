// At which layer does freezing end? Every rule that chooses the eof-layer from one measured
// deviation, and how stable its choice is over resampled documents.
#pragma once

#include "types/freeze_plan.h"

namespace salf::policy {

// Parameters of the rules that have one.
struct RuleParameters {
  double tau = 0.1;        // threshold: 1−τ of the total reduction
  std::int64_t fixed = 0;  // fixed: number of frozen blocks
  double fraction = 0.5;   // fraction: of the blocks, rounded
};

// The eof-layer e = number of frozen blocks, 0 … L−1, that the rule gives on deviations d_0 … d_L
// (one error each):
//
// max-gain       freezes the block of the largest drop d_{l−1} − d_l, l = 1 … L−1, and all below
// it: e = l. The last
//                block's jump onto the vocabulary is always large, and freezing everything is no
//                plan. Among drops within one standard error of the largest the shallowest is
//                taken.
// min-deviation  the shallowest of spaces 1 … L−1 whose deviation is within one standard error of
// their smallest. threshold      the first space by which 1−τ of the reduction d_0 − d_L is made,
// L−1 at most. fixed, fraction  as asked.
//
// Where nothing falls (no drop is above its error; no reduction at all) the measure gives no reason
// to freeze, and max-gain and threshold choose 0: everything is trained. Rule::kBudget chooses by
// cost (budget.h) and starts at max-gain's layer, which is what it gives here. Throws Error(kUsage)
// for fixed or fraction outside of the model, and for tau outside of 0 … 1.
std::int64_t choose_cut(
    types::Rule rule, const RuleParameters& parameters, const types::Deviation& deviation);

// The same of a rule that looks at no deviation (types::is_settled).
std::int64_t settled_cut(types::Rule rule, const RuleParameters& parameters, std::int64_t blocks);

// What the rule gives on each of the deviation's bootstrap replicates; the measured errors stand
// for the replicates'.
std::vector<std::int64_t> replicate_choices(
    types::Rule rule, const RuleParameters& parameters, const types::Deviation& deviation);

struct CutRange {
  std::int64_t low = 0, high = 0;
};
// What lies between the `tail` quantiles of `cuts` on both sides; 0 … blocks−1 without any.
CutRange range_of(const std::vector<std::int64_t>& cuts, double tail, std::int64_t blocks);

// `choice` with stability and range from what was chosen in each replicate; without any, stability
// 0 and range 0 … blocks−1.
types::RuleChoice with_stability(
    types::RuleChoice choice, const std::vector<std::int64_t>& replicates, std::int64_t blocks);

// The choice with its stability over the deviation's bootstrap replicates.
types::RuleChoice choose_with_stability(
    types::Rule rule, const RuleParameters& parameters, const types::Deviation& deviation);

// What the rules look at: the deviations at the domain vocabulary's positions where the profile has
// one, else those at all.
const std::vector<types::Deviation>& rule_deviations(const types::LayerProfile& profile);

// max-gain, min-deviation and threshold on each of these measures; of a profile, on those that the
// rules look at.
std::vector<types::RuleChoice> all_choices(
    const std::vector<types::Deviation>& deviations, const RuleParameters& parameters);
std::vector<types::RuleChoice> all_choices(
    const types::LayerProfile& profile, const RuleParameters& parameters);

// The deviation by this measure that the rules look at. Throws Error(kUsage) when the profile has
// none.
const types::Deviation& deviation_of(const types::LayerProfile& profile, types::Measure measure);

}  // namespace salf::policy
