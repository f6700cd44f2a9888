// Runs of several lengths from one trunk, and runs whose trained blocks change: what a bench needs
// beyond train().
#pragma once

#include <functional>
#include <vector>

#include "core/progress.h"
#include "train/run/run_inputs.h"
#include "train/run/run_observer.h"
#include "types/run_record.h"

namespace salf::app {

struct Trunk {
  // Steps, ascending, the last of them plan.steps. Where the schedule of a shorter one would begin
  // its cooldown, the run cools down from there and then goes back to where it was (a warm-up,
  // stable, decay trunk: Hu et al. 2024, arXiv 2404.06395).
  std::vector<std::int64_t> lengths;
  // Which blocks are trained in a step (steps done before it), where not all above the cut are.
  // REQUIRES: plan.cut 0
  std::function<std::vector<std::int64_t>(std::int64_t step)> blocks{};
  // They learn of the longest run alone.
  std::vector<train::RunObserver*> observers{};
};

// Calls `done` with the record of each length, ascending, the model holding its best weights. What
// it throws passes through. A trunk that diverges stands for the lengths that are left. Returns
// kInterrupted, and calls `done` no more, once core::stop_signal() is set; else the longest run's.
// REQUIRES: a budget in steps
types::RunStatus run_trunk(const train::RunInputs& inputs, const Trunk& trunk,
    const std::function<void(const types::RunRecord&)>& done, core::Progress& progress);

}  // namespace salf::app
