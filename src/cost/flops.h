// FLOPs of a step, counted from shapes, 2 per multiply-add. Recomputation, norms, activations,
// softmax and the optimizer's element-wise work are not counted.
#pragma once

#include "types/freeze_plan.h"

namespace salf::cost {

// The size of one forward-backward pass.
struct BatchShape {
  double padded_tokens = 0.0;
  double supervised_tokens = 0.0;
  double row_length = 0.0;  // padded tokens of a row
};

// The mean batch of an epoch; a whole dev evaluation as one batch.
BatchShape mean_batch(const types::DataShape& data);
BatchShape dev_batch(const types::DataShape& data);

// Forward pass of block `index` for one batch: 2 per weight and token, and causal attention counted
// exactly: Q·K and A·V over the T(T+1)/2 pairs of a row, each 2·D per pair, so 2·D·(T+1) per token
// (D = heads × head size taken as the hidden size).
double block_forward_flops(
    const types::ModelShape& shape, std::int64_t index, const BatchShape& batch);

// One forward-backward pass at this cut. Backward is twice the forward: the gradient to the
// input and that to the weight (2 each per weight and token). The head costs 2·D·V forward and
// 2·D·V for the gradient to the state per supervised token, and 2·D·V more where its weight is
// trained (cut 0). A block with LoRA has no gradient to its weights, and its branches besides.
types::CostBreakdown batch_flops(
    const types::ModelShape& shape, std::int64_t cut, const BatchShape& batch);

// One evaluation: the blocks from `from` on and the head, forward only.
double evaluation_flops(
    const types::ModelShape& shape, const BatchShape& batch, std::int64_t from = 0);

}  // namespace salf::cost
