// When and whether the cut of a run moves from one of its plan's stages to the next.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "train/run/pacing.h"
#include "train/run/trainer.h"

namespace salf::train {

// A plan without stages has none, and nothing ends.
class StagePolicy {
 public:
  // `records`: of the checkpoint that the run goes on from. `inputs` must outlive this.
  StagePolicy(const TrainInputs& inputs, std::vector<types::StageRecord> records);

  const std::vector<types::StageRecord>& records() const { return records_; }
  // Of the open stage in plan.cuts().
  std::size_t place() const { return records_.empty() ? 0 : records_.size() - 1; }

  // A stage at this cut begins.
  void begin(std::int64_t cut, double learning_rate, const RunState& state, double spent);
  // Whether the cut may move now: a share of the budget is spent (types::stage_end), or the loss
  // does not fall any more.
  bool ends(const RunState& state, const Pacing& pacing) const;
  // Ends the stage and decides. True: the cut moves, and `pacing` expects the steps of the next.
  // `cached`: the frozen part comes from a cache.
  bool moves_on(const RunState& state, Pacing& pacing, bool cached);
  // Takes down what the open stage did so far.
  void close(const RunState& state, double spent);

  // Share of the learning rate at the step after `step`: what is new in a later stage has no
  // moments yet.
  double warmup(std::int64_t step, const Schedule& schedule) const;

 private:
  types::StageEnd stage_end(const RunState& state, const Pacing& pacing, double slower) const;

  const TrainInputs& inputs_;
  const types::FreezePlan& plan_;
  std::vector<types::StageRecord> records_;
};

}  // namespace salf::train
