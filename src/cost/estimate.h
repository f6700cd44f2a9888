// Predicted seconds, FLOPs and memory of a run, from measured costs, for any cut.
#pragma once

#include "cost/flops.h"
#include "types/freeze_plan.h"

namespace salf::cost {

// Seconds of one forward-backward pass, without the optimizer.
types::CostBreakdown batch_seconds(const types::MeasuredCost& cost, const types::ModelShape& shape,
    std::int64_t cut, const BatchShape& batch);

double evaluation_seconds(
    const types::MeasuredCost& cost, std::int64_t blocks, const BatchShape& batch);

// One optimizer step: `accumulate` mean batches, the update of the trained parameters and, of
// ranks, the sum of their gradients, which counts as fixed.
types::CostBreakdown step_seconds(const types::MeasuredCost& cost, const types::ModelShape& shape,
    const types::DataShape& data, std::int64_t cut, std::int64_t accumulate);
types::CostBreakdown step_flops(const types::ModelShape& shape, const types::DataShape& data,
    std::int64_t cut, std::int64_t accumulate);

// A step that trains any set of blocks and the final norm, without a cache. Blocks below the lowest
// run forward only. From there on every block pays half its backward pass for the gradient of the
// state; trained blocks pay the other half for the gradient of their weights.
// REQUIRES: blocks is not empty
types::CostBreakdown masked_step_seconds(const types::MeasuredCost& cost,
    const types::ModelShape& shape, const types::DataShape& data,
    const std::vector<std::int64_t>& blocks, std::int64_t accumulate);

// Steps that `amount` pays for: the next `fresh` steps cost `first` each, later ones `later`.
// REQUIRES: first and later above 0
double steps_for(double amount, double first, double later, double fresh);

// Whole steps within `seconds`: those of the first epoch take `first` each, later ones `later`.
std::int64_t steps_within(double seconds, double first, double later, double steps_per_epoch);

// Of ranks that work at the same time on batches of their own: seconds of a token are shared, those
// of a step and of the optimizer are not.
types::MeasuredCost shared_by(std::int64_t ranks, types::MeasuredCost cost);

// Each figure the largest of all ranks', who wait for one another. REQUIRES: ranks is not empty
types::MeasuredCost slowest(const std::vector<types::MeasuredCost>& ranks);

// Seconds of writing the tuned model once.
double save_seconds(const types::MeasuredCost& cost, const types::ModelShape& shape);

// `one` times `count`, and the sum of two, part by part.
types::CostBreakdown scaled(const types::CostBreakdown& one, double count);
types::CostBreakdown sum(const types::CostBreakdown& a, const types::CostBreakdown& b);

struct MemoryOptions {
  std::int64_t batch_tokens = 1024;  // padded tokens of the largest batch
  bool frozen_in_file = false;       // weights below the cut lie in a mapped file
  bool recompute = false;            // trained blocks keep only their input for the backward pass
  std::int64_t ranks = 1;            // that share a step
  bool sharded = false;              // each of them updates its part of the weights alone
  bool accumulates = false;          // a rank has several batches a step
  // Of an element of a frozen block's matrix in few bits, on a GPU; 0: it is as it was loaded.
  double frozen_bytes = 0.0;
};

// Anonymous bytes on a CPU, or those of tensors on a GPU, the sum of: float32 weights (without
// frozen ones that lie in a file), their copies in bfloat16, two moments per trained parameter, the
// larger of the trained blocks' activations and the gradients, the measured rest, and the heap's
// gaps. Of blocks in few bits, these and one block's matrices. The floor is the whole model, which
// is in memory once while it is read. 0 without a measurement. Of ranks that update a part each,
// the moments, the summed gradients and, where steps read copies, the blocks' float32 weights are
// those of the part; what waits for the link is bounded (gradient_sum.cpp), unless gradients of
// several batches are added up first.
double peak_bytes(const types::MeasuredCost& cost, const types::ModelShape& shape, std::int64_t cut,
    const MemoryOptions& options);

}  // namespace salf::cost
