// Replaces a program's operators by salf's own (ops/operators.h), which are faster and compute the
// same. Only copies of the graph are rewritten, never the model's own program.
#pragma once

#include "model/graph/program.h"

namespace salf::model {

// Replaces, in `graph` (fully inlined, its first input is `module`) and its inner blocks:
//   aten::linear, bias + x w, x wᵀ (w a matrix)              → salf::linear
//   aten::rms_norm with a weight                             → salf::rms_norm
//   w * (x * rsqrt(mean(x², -1) + ε))                        → salf::rms_norm
//   silu(gate) * up                                          → salf::swiglu
//   addcmul(x * cos, roll(x, n), sin)                        → salf::rotary
//   x * cos + cat(-x[n:], x[:n]) * sin                       → salf::rotary
//   0.5 x (1 + tanh(√(2/π) (x + 0.044715 x³)))               → aten::gelu
//   softmax(q kᵀ * scale + mask) v                           → aten::scaled_dot_product_attention
// The spelled-out ones, with casts between their steps or without, only in programs that know no
// other floating point than float32, and where nothing else uses the steps between.
void use_own_operators(const GraphPointer& graph, const torch::jit::Module& module);

}  // namespace salf::model
