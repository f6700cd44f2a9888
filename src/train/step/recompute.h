// How is a model trained whose activations do not fit? Only the blocks' inputs are kept, and each
// block is run a second time in the backward pass (gradient checkpointing; Chen et al. 2016, arXiv
// 1604.06174).
#pragma once

#include <ATen/core/Tensor.h>
#include <c10/core/ScalarType.h>

#include <cstdint>
#include <vector>

#include "model/graph/graph_cut.h"
#include "tensor/batch.h"

namespace salf::train {

// One pass of GraphCut::suffix and back, with the same state and the same gradients, for one more
// forward pass of the trained blocks.
class RecomputedSuffix {
 public:
  // The references must outlive this. `autocast`: under which backward() runs the blocks again.
  RecomputedSuffix(const model::GraphCut& graph, const tensor::Batch& batch, std::int64_t cut,
      c10::ScalarType autocast);

  // [B, T, D] → [B, T, D]. Runs under the caller's autocast.
  at::Tensor forward(const at::Tensor& hidden);
  // After the backward pass of what was made of forward()'s result: takes the gradients on, through
  // the blocks to their parameters and to `hidden` if it has a history. REQUIRES: forward() ran
  // once.
  void backward();

 private:
  const model::GraphCut& graph_;
  const tensor::Batch& batch_;
  std::int64_t cut_;
  c10::ScalarType autocast_;
  std::vector<at::Tensor> inputs_;  // of the blocks cut … L-1, [B, T, D]
  at::Tensor last_;                 // h_L, where the recorded part begins
};

}  // namespace salf::train
