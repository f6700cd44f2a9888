// Tuning: a plan is carried out on an open session, and its result saved.
#pragma once

#include "app/planning/energy_watch.h"
#include "app/session/lora_start.h"
#include "app/session/model_options.h"
#include "app/session/session.h"
#include "core/json.h"
#include "core/progress.h"
#include "policy/prediction.h"
#include "train/evaluate.h"
#include "train/run/trainer.h"
#include "types/gate.h"
#include "types/run_record.h"

namespace salf::app {

struct TuningRequest {
  train::TrainOptions options;
  FrozenType frozen = FrozenType::kFloat32;
  std::filesystem::path folder;                   // exists
  core::Json recorded = core::Json::object();     // options that a resumed run must find unchanged
  std::optional<LoraStart> lora{};                // nothing where whole blocks are tuned
  std::optional<train::MeasuredLosses> before{};  // of the run's dev documents, if known
  std::optional<types::TrialTable> trials{};      // that stages rest on
  std::string prior{};                            // PlanningOptions::prior
  double reserved_seconds = 0.0;  // of a budget by the clock, for what follows beside saving
  std::vector<types::Gate> gates{};
  bool resume = false;
  std::optional<train::Replay> replay{};
  std::vector<train::RunObserver*> observers{};
  distributed::Group* ranks = nullptr;  // that share the run
  std::filesystem::path scratch{};      // train::RunPlace::scratch
};

// Throws Error(kUsage) for a gate that needs an evaluation where there are no dev documents.
void check_gates(const std::vector<std::string>& gates, const Session& session);

// Tunes the session's model and returns the record. The model holds the weights that are kept.
// Throws as train::train does.
types::RunRecord tune(const Session& session, const types::FreezePlan& plan,
    const TuningRequest& request, EnergyWatch& energy, core::Progress& progress);

// RunRecord::unused of a run that has spent so many seconds of its budget.
std::string unused_text(const types::RunRecord& record, double spent);

// Writes the model of a run that was not interrupted into its folder: model.pt with LoRA's branches
// merged, the adapter by itself, and the files beside it.
void save_model(const Session& session, const std::optional<LoraStart>& lora,
    const std::filesystem::path& folder);

}  // namespace salf::app
