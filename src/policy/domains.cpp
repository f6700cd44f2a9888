#include "policy/domains.h"

#include <algorithm>

namespace salf::policy {
namespace {

using types::Rule;

types::DomainAgreement agreement(Rule rule, const RuleParameters& parameters,
    const std::vector<types::DomainMeasure>& domains, std::int64_t overall) {
  types::DomainAgreement result;
  result.rule = rule;
  // Bonferroni: each range misses with a probability so small that all together keep
  // kDomainCoverage.
  const double tail = 0.5 * (1.0 - kDomainCoverage) / static_cast<double>(domains.size());
  for (std::size_t i = 0; i < domains.size(); ++i) {
    const types::Deviation& measured = domains[i].deviation;
    const CutRange range = range_of(replicate_choices(rule, parameters, measured), tail,
        static_cast<std::int64_t>(measured.deviation.size()) - 1);
    if (i == 0 || range.high < result.high) {
      result.high = range.high;
      result.shallowest = domains[i].name;
      result.cut = choose_cut(rule, parameters, measured);
    }
    if (i == 0 || range.low > result.low) {
      result.low = range.low;
      result.deepest = domains[i].name;
    }
  }
  result.serves_all = result.low <= result.high;
  if (result.serves_all) result.cut = std::clamp(overall, result.low, result.high);
  return result;
}

}  // namespace

void choose_for_domains(types::LayerProfile& profile, const RuleParameters& parameters) {
  if (profile.vocabulary) {
    profile.vocabulary->choices_with = all_choices(profile.vocabulary->deviations, parameters);
    profile.vocabulary->choices_without = all_choices(profile.deviations, parameters);
  }
  if (!profile.domains) return;
  std::vector<types::DomainMeasure>& domains = profile.domains->domains;
  for (types::DomainMeasure& domain : domains)
    domain.choices = all_choices({domain.deviation}, parameters);
  if (domains.size() > 1) {
    for (const Rule rule : types::kProfileRules) {
      const std::int64_t overall = choose_cut(rule, parameters, profile.deviations.front());
      profile.domains->agreements.push_back(agreement(rule, parameters, domains, overall));
    }
  }
  for (types::DomainMeasure& domain : domains) domain.deviation.replicates.clear();
}

}  // namespace salf::policy
