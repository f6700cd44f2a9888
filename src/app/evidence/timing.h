// What a step costs with each method that a plan may choose, and what the data ask for.
#pragma once

#include "app/session/session.h"
#include "core/progress.h"
#include "train/timing.h"
#include "types/measured_cost.h"

namespace salf::app {

struct MethodTiming {
  train::Timing blocks;               // with the branches of the session's cut, if it has some
  std::optional<train::Timing> lora;  // with branches beside whole blocks
};

// Times real batches of the train split, and the same batches with the branches `lora` if there
// are some. The session's cut does not change. `ranks` (null: this process alone) time them at the
// same time; the costs are then those of the slowest, of batches that they share, and of what they
// send one another. Throws as train::time_steps does.
MethodTiming time_methods(const Session& session, const train::TimingOptions& options,
    const std::vector<model::LoraLayer>* lora, core::Progress& progress,
    distributed::Group* ranks = nullptr);

// One epoch of the train split in the session's batches; no dev evaluation.
types::DataShape training_shape(const Session& session);

// Sets what one evaluation of these documents takes.
void set_dev_shape(
    const Session& session, const std::vector<std::int64_t>& documents, types::DataShape& shape);

}  // namespace salf::app
