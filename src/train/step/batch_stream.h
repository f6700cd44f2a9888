// The training batches in their order, epoch after epoch without end, and where in them a run
// stands.
#pragma once

#include <cstdint>
#include <vector>

#include "data/batching/batching.h"

namespace salf::train {

class BatchStream {
 public:
  // Begins at batch `batch` of epoch `epoch`. `batcher` must outlive this.
  // Throws Error(kBadInput) if it has no rows, or the epoch has no such batch.
  BatchStream(
      const data::Batcher& batcher, std::uint64_t seed, std::int64_t epoch, std::int64_t batch);

  // The next batch; epoch() and batch() then tell the one after it.
  tensor::Batch next();
  // Its rows; and goes on to the one after it without making it.
  const data::BatchPlan& plan() const { return plans_[static_cast<std::size_t>(batch_)]; }
  void pass();

  std::int64_t epoch() const { return epoch_; }
  std::int64_t batch() const { return batch_; }
  std::int64_t batches_of_epoch() const { return static_cast<std::int64_t>(plans_.size()); }

 private:
  const data::Batcher& batcher_;
  std::uint64_t seed_;
  std::int64_t epoch_;
  std::int64_t batch_;
  std::vector<data::BatchPlan> plans_;
};

}  // namespace salf::train
