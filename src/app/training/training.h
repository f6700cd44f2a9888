// A whole training run: open, analyze, plan, tune and save.
#pragma once

#include <optional>
#include <vector>

#include "app/training/training_request.h"
#include "core/progress.h"
#include "train/run/run_observer.h"
#include "types/run_record.h"

namespace salf::app {

// The plan for all documents and the whole budget, which a pilot writes into its folder.
inline constexpr const char* kFullPlan = "full-plan.json";

// Leaves run.json, plan.json, profile.json, metrics.jsonl and the model in the folder. Returns the
// record, or nothing where core::stop_signal() was set before there was a plan. Throws as its parts
// do, and Error(kBudget) for a budget that is too small.
std::optional<types::RunRecord> train(const TrainingRequest& request,
    const std::vector<train::RunObserver*>& observers, core::Progress& progress);

}  // namespace salf::app
