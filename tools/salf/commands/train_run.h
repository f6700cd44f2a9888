// One run of salf train: what it is made of, how it is planned (train_run_plan.cpp) and done
// (train_run.cpp).
#pragma once

#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "app/energy_watch.h"
#include "app/lora_start.h"
#include "app/session.h"
#include "commands/train.h"
#include "core/files.h"
#include "core/json.h"
#include "core/progress.h"
#include "data/rows/dataset.h"
#include "policy/prediction.h"
#include "train/evaluate.h"
#include "train/run/run_inputs.h"
#include "train/run/run_observer.h"
#include "types/run_record.h"

namespace salf::tools {

// Of a pilot: what is planned for all documents and the whole budget; salf train --plan takes it.
inline constexpr const char* kFullPlan = "full-plan.json";

// Where a resumed or repeated run takes everything from.
struct Origin {
  std::string file;
  types::RunRecord record;
};

// Opened and checked by the constructor.
class TrainRun {
 public:
  TrainRun(
      const TrainCommandOptions& options, std::optional<Origin> origin, core::Progress& progress);
  int execute();  // as train_command

 private:
  std::filesystem::path file(const char* name) const { return folder_.path() / name; }
  // Before anything long starts.
  void check_gates_can_be_told() const;
  std::uint64_t seed() const { return static_cast<std::uint64_t>(options_.model.seed); }
  types::RunRecord opening_record(const types::FreezePlan& plan) const;
  types::Provenance record_provenance() const;
  // What a resumed run must find unchanged, and a replay repeats.
  core::Json recorded_options() const;
  train::RunPlace run_place() const;
  types::RunRecord tune(const types::FreezePlan& plan, const model::GraphCut& graph);
  void save(types::RunRecord& record);
  // The branches by themselves, as PEFT has them, and then as part of the weights. Where whole
  // blocks were tuned too, the branches alone would be no model.
  void save_adapter();
  void print(const types::RunRecord& record) const;

  // train_run_plan.cpp
  std::optional<types::FreezePlan> find_plan();
  std::optional<types::FreezePlan> given_plan();
  std::optional<types::FreezePlan> make_plan();
  // Where the budget can pay for it, and memory is not short: an arm is trained on a model of its
  // own.
  std::optional<types::TrialTable> run_trials(const types::FreezePlan& plan) const;
  // What the pilot is for, from its own timing.
  void plan_the_whole(
      const types::LayerProfile& profile, app::PlanRequest request, const app::MethodCosts& costs);
  std::optional<types::LayerProfile> find_profile();
  bool reads_profile() const;  // whether the plan chooses by it
  // What to measure: as asked where the plan chooses by the profile, else short_calibration of it.
  calibration::CalibrationOptions calibration() const;
  // Not where memory is short: evidence for it, gradients of the whole model and runs of arms,
  // needs more than a deep cut.
  bool prediction_decides() const;
  // With what the run's folder holds as evidence.
  std::shared_ptr<const policy::Predictor> stage_predictor(const types::FreezePlan& plan) const;

  const TrainCommandOptions& options_;
  std::optional<Origin> origin_;
  core::Progress& progress_;
  app::PlanningOptions planning_;  // the options', or a pilot's share of them
  app::EnergyWatch energy_;
  core::OutputFolder folder_;
  app::ModelSession session_;
  data::Dataset dataset_;  // of a pilot: the sample
  data::Dataset all_;      // of a pilot: everything; else empty
  std::optional<types::PilotRecord> pilot_;
  std::optional<train::MeasuredLosses>
      before_;                          // of the run's dev documents, if the plan rests on them
  std::optional<app::LoraStart> lora_;  // nothing where whole blocks are tuned
  std::vector<std::unique_ptr<train::RunObserver>> observers_;
};

}  // namespace salf::tools
