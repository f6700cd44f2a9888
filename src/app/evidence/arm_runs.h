// Runs of arms: each on a model read anew, so that no arm sees another's weights.
#pragma once

#include <functional>

#include "app/evidence/arms.h"
#include "app/session/lora_start.h"
#include "app/session/session.h"
#include "core/progress.h"
#include "train/run/run_observer.h"
#include "train/run/train_options.h"
#include "types/run_record.h"

namespace salf::app {

// What the arms have in common.
struct ArmSetup {
  Session session;  // whose model and data they have
  train::TrainOptions train;
  std::string lora;                // what the arms lora:N add
  std::int64_t dev_documents = 0;  // of an evaluation
  std::filesystem::path folder;    // exists; a folder in it is made and removed
  std::int64_t redraw = 1;         // steps between lisa's draws
  // That share the runs, a batch of each in a step; null: this process alone.
  distributed::Group* ranks = nullptr;
};

struct ArmRun {
  BenchArm arm;
  std::int64_t cut = 0;
  std::int64_t seed = 1;
  double rate_factor = 1.0;         // times the rule's learning rate
  std::vector<std::int64_t> steps;  // ascending: the last is the trunk's, the others branch off it
  std::int64_t evaluations = 0;     // on dev
  std::vector<train::RunObserver*> observers;
};

// Called for each number of steps, ascending; the session's model has the weights.
using ArmDone = std::function<void(const types::RunRecord&, const Session&)>;

// False once core::stop_signal() is set; `done` is then not called any more.
bool run_arm(
    const ArmSetup& setup, const ArmRun& run, const ArmDone& done, core::Progress& progress);

// The branches of all blocks that LoRA's arms may train.
LoraStart arm_lora(const std::string& lora, const Session& session);

}  // namespace salf::app
