#include <algorithm>
#include <array>
#include <numeric>

#include "app/evidence/arms.h"
#include "app/evidence/trials.h"
#include "cost/estimate.h"

namespace salf::app {
namespace {

constexpr double kTrialShare = 0.1;                   // of what is spent, for all trials together
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

// An aim that saves has promised how close the chosen arm comes to full tuning or LoRA on all
// blocks.
std::vector<Arms> sets_for_promise(const types::FreezePlan& plan) {
  const types::Candidate& full = plan.candidates.full();
  const types::Candidate& chosen = *plan.chosen();
  if (&chosen == &full) return {};
  const types::Candidate* const lora = plan.candidates.at(types::Method::kLora, 0);
  std::vector<Arms> sets{{full, chosen}};
  if (lora != nullptr && lora != &chosen) sets.insert(sets.begin(), {full, *lora, chosen});
  return sets;
}

// The sets of arms that tell most, the most first: LoRA needs full tuning beside it, which settles
// the level.
std::vector<Arms> sets_of_arms(const types::FreezePlan& plan) {
  if (plan.aim != types::Aim::kBest) return sets_for_promise(plan);
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

// What the run is expected to spend, with the aim best of a budget that is counted: 0 where trials
// would tell nothing of use.
double seconds_spent(const types::FreezePlan& plan) {
  if (!plan.budget.deterministic()) return plan.budget.clock_seconds();
  if (plan.aim == types::Aim::kBest || plan.aims.empty()) return 0.0;
  return plan.aims.front().seconds;
}

}  // namespace

std::vector<TrialRequest> choose_trials(const types::FreezePlan& plan, bool rates) {
  const types::Candidate* const chosen = plan.chosen();
  if (chosen == nullptr) return {};
  const double evaluation =
      cost::evaluation_seconds(plan.cost, plan.shape.blocks, cost::dev_batch(plan.data));
  const auto seconds = [&](const types::Candidate& arm) {
    return kOpeningSeconds + evaluation +
           static_cast<double>(kTrialSteps) * arm.step_seconds /
               static_cast<double>(plan.accumulate);
  };
  const double share = kTrialShare * seconds_spent(plan);
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
