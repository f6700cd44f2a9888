// What a run tells while it goes on: metrics.jsonl, a line on disk as soon as it is known,
// observers and progress.
#pragma once

#include <filesystem>
#include <fstream>
#include <vector>

#include "core/progress.h"
#include "train/run/pacing.h"
#include "train/run/trainer.h"

namespace salf::train {

class RunLog {
 public:
  // A new run: an earlier file is replaced. One that is resumed: lines of steps and evaluations
  // after `state`, and a half-written last line are dropped. Throws Error(kIo), Error(kBadInput)
  // for a line that is not of a run. The references must outlive this.
  RunLog(const TrainInputs& inputs, const Pacing& pacing, const RunState& state,
      core::Progress& progress);

  // Time budgets show the time, the others their steps.
  void begin();
  void end() { progress_.end(); }
  // budget_spent is filled in.
  void step(StepMetrics metrics, const RunState& state);
  void evaluation(
      const types::DevEvaluation& evaluation, const std::vector<DocumentLoss>& documents);

 private:
  void write(const core::Json& line);

  const TrainInputs& inputs_;
  const Pacing& pacing_;
  core::Progress& progress_;
  std::filesystem::path path_;
  bool writes_;  // only one rank does
  std::ofstream stream_;
};

}  // namespace salf::train
