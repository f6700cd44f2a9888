// Short runs of arms on the same batches, compared over the same dev documents.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "app/arm_runs.h"
#include "train/evaluate.h"
#include "types/trial_table.h"

namespace salf::app {

struct TrialRequest {
  std::string name;
  std::vector<double> rates{};  // times the rule's learning rate, to try beside it
};

// Runs the arms and adds them to `table`, which has its provenance and steps; differences are to
// the first. `before`: the untouched model's losses, if the dev documents were evaluated already.
// Throws ArmStopped, Error(kUsage) for arms that are no cut and no LoRA, Error(kBadInput) where the
// dev split has no documents, Error(kBadModel) for an arm that diverges.
void run_trials(const ArmSetup& setup, const std::vector<TrialRequest>& arms,
    const ModelSession& session, types::TrialTable& table,
    const std::optional<train::MeasuredLosses>& before, core::Progress& progress);

// Which arms to try before this plan is carried out: full tuning, the plan's arm, a deeper one of
// its method and, beside whole blocks, LoRA's best; or fewer of them (the cut and the deeper one;
// full tuning and LoRA), as far as they are predicted to take at most a tenth of a budget that ends
// by the clock. Where that pays for it too and `rates` are to be tried, the plan's arm at half and
// twice the rule's rate. Empty: none. REQUIRES: the plan's rule is predicted
std::vector<TrialRequest> choose_trials(const types::FreezePlan& plan, bool rates);
// Of each arm that train trials by itself.
inline constexpr std::int64_t kTrialSteps = 24;

}  // namespace salf::app
