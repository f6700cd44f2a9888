// The batches of a run's steps: drawn in the stream's order, those of other ranks passed over.
#pragma once

#include <cstdint>
#include <deque>
#include <vector>

#include "tensor/batch.h"
#include "train/run/run_inputs.h"
#include "train/run/stage.h"
#include "train/step/batch_stream.h"
#include "train/step/gradient_sum.h"

namespace salf::train {

// What one optimizer step works on.
struct StepBatches {
  std::vector<tensor::Batch> batches;           // of this process, on the model's device
  std::int64_t epoch = 0;                       // of the first one
  std::int64_t next_epoch = 0, next_batch = 0;  // after the last one
  StepTokens tokens;                            // of all ranks; only set where shards are summed
  double flops = 0.0, flops_avoided = 0.0;
};

class BatchQueue {
 public:
  // Begins there. `inputs` must outlive this.
  BatchQueue(const RunInputs& inputs, std::int64_t epoch, std::int64_t batch);

  // The next step's. Tells the stage's sum over shards that a step begins.
  StepBatches take(const Stage& stage);
  // On a GPU: draws the next step's batches and sends them, while the device works.
  void draw_ahead(const Stage& stage);

  // In the epoch of the last batch taken.
  std::int64_t of_epoch() const { return of_epoch_; }

 private:
  // A batch of the stream, and where that stood before and after it.
  struct Drawn {
    bool own = false;     // else another rank's, and not made
    tensor::Batch batch;  // of the shard
    std::int64_t shard = 0;
    StepTokens tokens;  // only set where shards are summed
    std::int64_t epoch = 0;
    std::int64_t next_epoch = 0, next_batch = 0, of_epoch = 0;
  };
  Drawn draw(const Stage& stage);

  const RunInputs& inputs_;
  BatchStream stream_;
  std::deque<Drawn> drawn_;  // ahead of the run
  std::int64_t of_epoch_;
};

}  // namespace salf::train
