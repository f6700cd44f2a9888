// The rules of rewrites.h: each looks at a node as the last of its pattern, and where it matches
// makes the replacement (at the graph's insertion point) and returns its value; nullptr otherwise.
// Intermediate values with another use, which would have to be computed all the same, keep a
// pattern from matching.
#pragma once

#include <vector>

#include "model/rewrites/known_values.h"

namespace salf::model {

torch::jit::Value* own_linear(torch::jit::Node* node, KnownValues& known);
torch::jit::Value* own_rms_norm(torch::jit::Node* node, KnownValues& known);
torch::jit::Value* spelled_rms_norm(torch::jit::Node* node, KnownValues& known);
torch::jit::Value* own_swiglu(torch::jit::Node* node, KnownValues& known);
torch::jit::Value* spelled_gelu(torch::jit::Node* node, KnownValues& known);
torch::jit::Value* own_rotary(torch::jit::Node* node, KnownValues& known);
torch::jit::Value* spelled_rotary(torch::jit::Node* node, KnownValues& known);
torch::jit::Value* spelled_attention(torch::jit::Node* node, KnownValues& known);

// Inserts the call of an operator.
torch::jit::Value* call(
    torch::jit::Node* before, const char* name, const std::vector<torch::jit::Value*>& inputs);

}  // namespace salf::model
