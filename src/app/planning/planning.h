// Planning: collects evidence, asks the planner, and collects more as long as that is worth its
// price.
#pragma once

#include <functional>

#include "app/evidence/timing.h"
#include "app/planning/energy_watch.h"
#include "app/planning/planning_options.h"
#include "app/session/lora_options.h"
#include "app/session/lora_start.h"
#include "app/session/model_options.h"
#include "app/session/session.h"
#include "calibration/calibrate.h"
#include "core/progress.h"
#include "policy/plan.h"
#include "train/evaluate.h"
#include "train/run/train_options.h"
#include "types/freeze_plan.h"

namespace salf::app {

// What of a budget by the clock, or of the work that a budget counts, may go into the analysis
// where the plan reads the profile, into one that only the report reads, and into timing.
inline constexpr double kAnalysisShare = 0.05;
inline constexpr double kProfileShare = 0.025;
inline constexpr double kTimingShare = 0.025;
// Timing's share for each of the methods that are timed.
inline constexpr double timing_share(bool two_methods) {
  return kTimingShare / (two_methods ? 2.0 : 1.0);
}

// Which evidence is collected: all kinds, or what the choice and the budget need.
enum class EvidenceNeed { kAll, kNeeded };

// Which dev documents tell the loss before tuning.
enum class DevLoss {
  kNone,      // the run evaluates none, and the profile's own sample tells it
  kProfile,   // the profile's own sample tells it
  kSample,    // a few
  kOfTheRun,  // those of the run's evaluations, of which this becomes the first
};

struct PlanningRequest {
  PlanningOptions options;
  types::Budget budget;
  calibration::CalibrationOptions calibration{};
  FrozenType frozen = FrozenType::kFloat32;      // blocks while they are analyzed
  std::optional<types::LayerProfile> profile{};  // of this session, instead of analyzing
  std::optional<LoraStart> lora{};    // instead of whole blocks; the session's cut has its branches
  std::optional<LoraStart> beside{};  // planned beside whole blocks
  policy::BatchSetting batches{};
  std::filesystem::path scratch{};  // a folder on the disk that the model is saved to
  DevLoss dev_loss = DevLoss::kProfile;
  EvidenceNeed need = EvidenceNeed::kAll;
  // That share the run, and its planning: each asks the same, the first one chooses, and all get
  // the same plan. Null: this process alone.
  distributed::Group* ranks = nullptr;
  // Trials of a few arms may be run, with these options.
  std::optional<train::TrainOptions> trials{};
  const Session* trial_session = nullptr;  // whose rows they have; null: the planning's own
  // Seconds of the budget that are spent so far; empty: those of the process.
  std::function<double()> spent_seconds{};
};

// The profile in the file. Throws Error(kUsage) unless it was made for this session.
types::LayerProfile read_profile_for(const Session& session, const std::string& file);

// A plan for a run that comes later. The run spends the analysis and the timing, but not what is
// done beside them here. The session's cut gets the branches of LoRA, if that is asked for.
PlanningRequest planning_request(const PlanningOptions& options, const LoraOptions& lora,
    types::LayerProfile profile, Session& session);

// A plan of a run that these ranks share: a step has batches of each.
void share_among(distributed::Group* ranks, PlanningRequest& request);

// On a GPU, where the user gave no --batch-tokens: chooses them for the session and the request by
// its memory and a few timed batches, and logs the choice. Of ranks, the first one chooses.
void choose_batch_size(Session& session, PlanningRequest& request, core::Progress& progress);

// One plan. The references must outlive it.
class Planning {
 public:
  // `energy` may be null: then rates stay unknown.
  Planning(const Session& session, PlanningRequest request, EnergyWatch* energy,
      core::Progress& progress);

  // Takes over what another planning of the same model and data has learned.
  void take(const policy::Evidence& evidence);

  // The loop. Nothing once core::stop_signal() is set. The budget may turn out too small: the plan
  // then has smallest_budget. Throws as its parts do.
  std::optional<types::FreezePlan> plan();

  // On several ranks the profile has its token maps on the first alone.
  const policy::Evidence& evidence() const { return evidence_; }
  // The run's dev documents before tuning, where they were evaluated.
  const std::optional<train::MeasuredLosses>& before() const { return before_; }

 private:
  enum class Next { kNothing, kDevLoss, kTrials };

  void price_budget();
  bool find_profile();
  std::optional<types::LayerProfile> analyze() const;
  void time_steps();
  void describe_data();
  types::FreezePlan choose();
  types::FreezePlan shared_choice();
  Next worth_knowing(const types::FreezePlan& plan) const;
  bool measure_dev(const types::FreezePlan& plan);
  bool run_trials(const types::FreezePlan& plan);

  bool reads_profile() const;
  bool needs_profile() const;
  bool needs_timing() const;
  calibration::CalibrationOptions calibration() const;
  double spent_seconds() const;

  const Session& session_;
  PlanningRequest request_;
  EnergyWatch* energy_;
  core::Progress& progress_;
  std::optional<std::int64_t> cut_;  // that is settled beforehand
  policy::Limits limits_;
  policy::Evidence evidence_;
  bool has_profile_ = false, has_timing_ = false, tried_ = false;
  std::optional<train::MeasuredLosses> before_;
};

// Throws Error(kBudget) with the smallest budget that works, if the plan has one.
void check_affordable(const types::FreezePlan& plan);

}  // namespace salf::app
