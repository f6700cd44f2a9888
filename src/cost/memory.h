// How much memory will a run hold at its height?
#pragma once

#include <cstdint>

#include "types/measured_cost.h"
#include "types/model_shape.h"

namespace salf::cost {

struct MemoryOptions {
  std::int64_t batch_tokens = 1024;  // padded tokens of the largest batch
  bool frozen_in_file =
      false;  // weights below the cut lie in a mapped file (the frozen part's output is kept)
  bool recompute = false;  // trained blocks keep their input alone for the backward pass
};

// Anonymous bytes on a CPU: float32 weights (of the frozen part only the head where the rest lies
// in a file; while it is still being read in, all of it was there once, which is the floor), two
// moments a trained parameter, activations of the trained blocks or gradients, whichever is more,
// the rest that was measured, and the heap's gaps. 0 where nothing was measured.
double peak_bytes(const types::MeasuredCost& cost, const types::ModelShape& shape, std::int64_t cut,
    const MemoryOptions& options);

}  // namespace salf::cost
