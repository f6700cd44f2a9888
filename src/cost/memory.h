// Predicted peak memory of a run.
#pragma once

#include "types/measured_cost.h"
#include "types/model_shape.h"

namespace salf::cost {

struct MemoryOptions {
  std::int64_t batch_tokens = 1024;  // padded tokens of the largest batch
  bool frozen_in_file = false;       // weights below the cut lie in a mapped file
  bool recompute = false;            // trained blocks keep only their input for the backward pass
};

// Anonymous bytes on a CPU, the sum of: float32 weights (without frozen blocks that lie in a file),
// two moments per trained parameter, the larger of the trained blocks' activations and the
// gradients, the measured rest, and the heap's gaps. The floor is the whole model, which is in
// memory once while it is read. 0 without a measurement.
double peak_bytes(const types::MeasuredCost& cost, const types::ModelShape& shape, std::int64_t cut,
    const MemoryOptions& options);

}  // namespace salf::cost
