#include <algorithm>
#include <array>
#include <numeric>

#include "app/evidence/arms.h"
#include "app/evidence/trials.h"
#include "cost/estimate.h"

namespace salf::app {
namespace {

constexpr double kTrialShare = 0.1;                   // of a budget, for all trials together
constexpr std::array<double, 2> kRates = {0.5, 2.0};  // times the rule's
constexpr double kOpeningSeconds = 3.0;               // reading the model again for an arm

using Arms = std::vector<types::Candidate>;

// LoRA's best beside the plan's whole blocks, if LoRA was planned too.
std::optional<types::Candidate> rival(const types::FreezePlan& plan) {
  std::optional<types::Candidate> best;
  if (plan.lora) return best;
  for (const types::Candidate& candidate : plan.candidates.of(types::Method::kLora)) {
    if (!candidate.fits || !candidate.loss) continue;
    if (!best || candidate.loss->value < best->loss->value) best = candidate;
  }
  return best;
}

// The sets of arms that tell most, the most first: LoRA needs full tuning beside it, which settles
// the level.
std::vector<Arms> sets_of_arms(const types::FreezePlan& plan) {
  const std::int64_t deeper =
      std::min(plan.shape.blocks - 1, plan.cut + std::max<std::int64_t>(1, plan.shape.blocks / 5));
  if (deeper == plan.cut) return {};
  const types::Candidate& full = plan.candidates.full();
  const Arms two{*plan.chosen(), *plan.candidates.at(plan.method(), deeper)};
  if (plan.lora) return {{full, two[0], two[1]}, {full, two[0]}};
  Arms three = two;
  if (plan.cut > 0) three.insert(three.begin(), full);
  std::vector<Arms> sets{three, two};
  if (const auto lora = rival(plan)) {
    three.push_back(*lora);
    sets.insert(sets.begin(), three);
  }
  return sets;
}

}  // namespace

std::vector<TrialRequest> choose_trials(const types::FreezePlan& plan, bool rates) {
  const types::Candidate* const chosen = plan.chosen();
  if (plan.budget.deterministic() || chosen == nullptr) return {};
  const double evaluation =
      cost::evaluation_seconds(plan.cost, plan.shape.blocks, cost::dev_batch(plan.data));
  const auto seconds = [&](const types::Candidate& arm) {
    return kOpeningSeconds + evaluation +
           static_cast<double>(kTrialSteps) * arm.step_seconds /
               static_cast<double>(plan.accumulate);
  };
  const double share = kTrialShare * plan.budget.clock_seconds();
  for (const Arms& arms : sets_of_arms(plan)) {
    const double all = std::accumulate(arms.begin(), arms.end(), evaluation,
        [&](double sum, const types::Candidate& arm) { return sum + seconds(arm); });
    if (all > share) continue;
    rates = rates && all + static_cast<double>(kRates.size()) * seconds(*chosen) <= share;
    std::vector<TrialRequest> trials;
    for (const types::Candidate& arm : arms) {
      trials.push_back({arm_text(arm_of(arm))});
      if (rates && arm.cut == chosen->cut && arm.arm == chosen->arm)
        trials.back().rates.assign(kRates.begin(), kRates.end());
    }
    return trials;
  }
  return {};
}

}  // namespace salf::app
