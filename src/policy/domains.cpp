#include "policy/domains.h"

#include <algorithm>
#include <cmath>

#include "core/statistics.h"

namespace salf::policy {
namespace {

using types::Rule;

struct Range {
  std::int64_t low = 0, high = 0;
};

// Bonferroni: each of `domains` ranges misses with a probability so small that all together keep
// kDomainCoverage.
Range simultaneous_range(Rule rule, const RuleParameters& parameters,
    const types::Deviation& deviation, std::size_t domains) {
  const std::vector<std::int64_t> choices = replicate_choices(rule, parameters, deviation);
  const auto blocks = static_cast<std::int64_t>(deviation.deviation.size()) - 1;
  if (choices.empty()) return {0, blocks - 1};
  const std::vector<double> eofs(choices.begin(), choices.end());
  const double tail = 0.5 * (1.0 - kDomainCoverage) / static_cast<double>(domains);
  return {static_cast<std::int64_t>(std::floor(core::quantile(eofs, tail))),
      static_cast<std::int64_t>(std::ceil(core::quantile(eofs, 1.0 - tail)))};
}

types::DomainAgreement agreement(Rule rule, const RuleParameters& parameters,
    const std::vector<types::DomainMeasure>& domains, std::int64_t overall) {
  types::DomainAgreement result;
  result.rule = rule;
  for (std::size_t i = 0; i < domains.size(); ++i) {
    const Range range = simultaneous_range(rule, parameters, domains[i].deviation, domains.size());
    if (i == 0 || range.high < result.high) {
      result.high = range.high;
      result.shallowest = domains[i].name;
      result.cut = choose_cut(rule, parameters, domains[i].deviation);
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
