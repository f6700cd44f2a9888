// A whole training run: open, analyze, plan, tune and save.
#pragma once

#include <optional>

#include "app/planning/planning_options.h"
#include "app/session/lora_options.h"
#include "app/session/model_options.h"
#include "calibration/calibrate.h"
#include "core/json.h"
#include "core/progress.h"
#include "data/batching/batching.h"
#include "data/rows/dataset.h"
#include "train/run/run_observer.h"
#include "train/run/train_options.h"
#include "types/run_record.h"

namespace salf::app {

// The plan for all documents and the whole budget, which a pilot writes into its folder.
inline constexpr const char* kFullPlan = "full-plan.json";

// The run that is gone on with, or repeated.
struct Origin {
  std::string file;
  types::RunRecord record;
  bool resumed = false;  // else repeated
};

struct TrainingRequest {
  ModelOptions model;
  FrozenOptions frozen;
  data::DataOptions data;
  data::BatchOptions batch;
  calibration::CalibrationOptions calibration;
  PlanningOptions planning;
  LoraOptions lora;
  train::TrainOptions train;
  std::string profile;             // profile.json instead of analyzing
  std::string plan;                // plan.json instead of analyzing and planning
  std::vector<std::string> gates;  // types::parse_gate
  std::string pilot;               // pilot_share; "": the whole
  std::filesystem::path folder;
  bool replace = false;                        // an earlier run in the folder
  core::Json recorded = core::Json::object();  // the options as run.json keeps them
  std::optional<Origin> origin{};
};

// Leaves run.json, plan.json, profile.json, metrics.jsonl and the model in the folder. Returns the
// record, or nothing where core::stop_signal() was set before there was a plan. Throws as its parts
// do, and Error(kBudget) for a budget that is too small.
std::optional<types::RunRecord> train(const TrainingRequest& request,
    const std::vector<train::RunObserver*>& observers, core::Progress& progress);

}  // namespace salf::app
