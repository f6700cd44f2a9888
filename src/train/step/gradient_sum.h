// The gradients of one optimizer step, summed over the shards of its batches in their order: those
// of this process, and those of the other ranks. The sum does not depend on which rank has which
// shard, as long as each has one.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <memory>
#include <vector>

#include "model/script_model.h"
#include "train/step/optimizer.h"

namespace salf::distributed {
class Group;
}

namespace salf::train {

struct StepTokens {
  std::int64_t real = 0;
  std::int64_t supervised = 0;
};

// The shards [begin, end) of a rank. Each has one at least. REQUIRES: shards ≥ ranks
struct ShardRange {
  std::int64_t begin = 0, end = 0;
};
ShardRange shards_of(std::int64_t rank, std::int64_t ranks, std::int64_t shards);

// All ranks make the same calls.
class GradientSum {
 public:
  // `ranks`: null where this process has all shards. Must outlive this.
  GradientSum(distributed::Group* ranks, std::int64_t shards);
  ~GradientSum();
  GradientSum(const GradientSum&) = delete;
  GradientSum& operator=(const GradientSum&) = delete;

  // A step begins: its tokens on all ranks, and this rank's batches of each of its shards, which
  // come one shard after another.
  void begin(StepTokens all, std::int64_t batches_of_shard);
  const StepTokens& tokens() const { return all_; }

  // A batch's backward pass is done. At the end of a shard takes the parameters' gradients and the
  // `loss` [] f64, which is 0 afterwards.
  void add(const std::vector<model::Parameter>& trained, at::Tensor& loss);
  // At the end of the step: gradients and `loss` become those of all shards. The gradients are
  // this object's memory.
  void finish(const std::vector<model::Parameter>& trained, at::Tensor& loss);
  // Takes rank 0's, so that ranks on different processors take the same step.
  void agree(GradientNorm& norm) const;

  // Of all steps: what this rank sent, and how long it waited for sums.
  std::int64_t sent_bytes() const { return sent_bytes_; }
  double waited_seconds() const { return waited_seconds_; }

 private:
  struct Bucket;
  class Pipeline;
  void lay_out(const std::vector<model::Parameter>& trained);
  bool fits(const std::vector<model::Parameter>& trained) const;

  distributed::Group* ranks_;
  std::int64_t count_;  // of ranks
  ShardRange own_;
  std::int64_t shards_;
  StepTokens all_;
  std::int64_t batches_of_shard_ = 1;
  std::int64_t batches_ = 0;          // of this step, so far
  std::vector<double> losses_;        // of this rank's shards
  std::vector<at::Tensor> laid_out_;  // the parameters of the buckets, in the order of trained
  std::vector<Bucket> buckets_;
  std::unique_ptr<Pipeline> pipeline_;  // null of one process
  std::int64_t sent_bytes_ = 0;
  double waited_seconds_ = 0.0;
};

}  // namespace salf::train
