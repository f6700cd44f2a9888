// Trials: short runs of arms on the same batches, compared over the same dev documents.
#pragma once

#include "app/session/session.h"
#include "core/progress.h"
#include "train/evaluate.h"
#include "train/run/train_options.h"
#include "types/freeze_plan.h"
#include "types/trial_table.h"

namespace salf::app {

// Steps of each trial that train runs by itself.
inline constexpr std::int64_t kTrialSteps = 24;

struct TrialSetup {
  const Session& session;
  train::TrainOptions train;
  std::string lora;                // what the arms lora:N add
  std::int64_t dev_documents = 0;  // that the arms are compared on
  std::filesystem::path folder;    // exists; a folder in it is made and removed
  std::int64_t steps = kTrialSteps;
  distributed::Group* ranks = nullptr;  // that share the trials, and get the same table
};

struct TrialRequest {
  std::string name;             // as parse_arm reads it
  std::vector<double> rates{};  // times the rule's learning rate, to try beside it
};

// Differences are to the first arm. `before`: the untouched model's losses, if the dev documents
// were evaluated already. Nothing once core::stop_signal() is set. Throws Error(kUsage) for arms
// that are neither a cut nor LoRA, Error(kBadInput) where the dev split has no documents,
// Error(kBadModel) for an arm that diverges.
std::optional<types::TrialTable> run_trials(const TrialSetup& setup,
    const std::vector<TrialRequest>& arms, const std::optional<train::MeasuredLosses>& before,
    core::Progress& progress);

// The trials in this file; nothing where there is no file, or they are of another model or other
// data than the plan's.
std::optional<types::TrialTable> trials_of(
    const std::filesystem::path& file, const types::FreezePlan& plan);

// The trials that are worth their price before this plan is carried out: full tuning, the plan's
// arm, a deeper one of its method and, beside whole blocks, LoRA's best; or fewer of them, as far
// as they are predicted to take at most a tenth of a budget that ends by the clock. For an aim that
// saves: what its promise compares, the plan's arm with full tuning and LoRA on all blocks, also of
// other budgets, for a tenth of the time of the aim best. Where that pays for it too and `rates`
// are to be tried, the plan's arm at half and twice the rule's rate. Empty: none. REQUIRES: the
// plan's rule is predicted
std::vector<TrialRequest> choose_trials(const types::FreezePlan& plan, bool rates);

}  // namespace salf::app
