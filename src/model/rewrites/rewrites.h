// Replaces a program's operators by salf's own (ops/operators.h), which are faster and compute the
// same. Only copies of the graph are rewritten, never the model's own program.
#pragma once

#include <vector>

#include "model/graph/program.h"
#include "model/rewrites/known_values.h"

namespace salf::model {

// Replaces, in `graph` (fully inlined, its first input is `module`) and its inner blocks:
//   aten::linear, bias + x w, x wᵀ (w a matrix)              → salf::linear
//   aten::rms_norm with a weight                             → salf::rms_norm
//   w * (x * rsqrt(mean(x², -1) + ε))                        → salf::rms_norm
//   silu(gate) * up                                          → salf::swiglu
//   addcmul(x * cos, roll(x, n), sin)                        → salf::rotary
//   x * cos + cat(-x[n:], x[:n]) * sin                       → salf::rotary
//   0.5 x (1 + tanh(√(2/π) (x + 0.044715 x³)))               → aten::gelu
//   aten::scaled_dot_product_attention                       → salf::attention
//   softmax(q kᵀ * scale + mask) v                           → salf::attention
// The spelled-out ones, with casts between their steps or without, only in programs that know no
// other floating point than float32, and where nothing else uses the steps between.
void use_own_operators(const GraphPointer& graph, const torch::jit::Module& module);

// The rules. Each looks at a node as the last of its pattern. Where the pattern matches, the rule
// makes the replacement at the graph's insertion point and returns its value; otherwise it returns
// nullptr. A pattern does not match where something else uses a value between its steps, since that
// value would be computed all the same.
torch::jit::Value* own_linear(torch::jit::Node* node, KnownValues& known);
torch::jit::Value* own_rms_norm(torch::jit::Node* node, KnownValues& known);
torch::jit::Value* spelled_rms_norm(torch::jit::Node* node, KnownValues& known);
torch::jit::Value* own_swiglu(torch::jit::Node* node, KnownValues& known);
torch::jit::Value* spelled_gelu(torch::jit::Node* node, KnownValues& known);
torch::jit::Value* own_rotary(torch::jit::Node* node, KnownValues& known);
torch::jit::Value* spelled_rotary(torch::jit::Node* node, KnownValues& known);
torch::jit::Value* own_attention(torch::jit::Node* node, KnownValues& known);
torch::jit::Value* spelled_attention(torch::jit::Node* node, KnownValues& known);

// Inserts the call of an operator.
torch::jit::Value* call(
    torch::jit::Node* before, const char* name, const std::vector<torch::jit::Value*>& inputs);

}  // namespace salf::model
