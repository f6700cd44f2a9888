// How does a program run faster and compute the same? Its operators are replaced by salf's own (salf/ops/operators.h).
// Only copies of the graph are rewritten, never the model's own program.
#pragma once

#include "program.h"

namespace salf::model {

// Replaces, in `graph` (fully inlined) and its inner blocks:
//   aten::linear                                 → salf::linear
//   aten::rms_norm with a weight                 → salf::rms_norm
//   silu(gate) * up                              → salf::swiglu
//   addcmul(x * cos, roll(x, n), sin)            → salf::rotary
void use_own_operators(torch::jit::Graph& graph);

}  // namespace salf::model
