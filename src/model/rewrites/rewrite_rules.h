// The rules of rewrites.h. Each looks at a node as the last of its pattern. Where the pattern
// matches, the rule makes the replacement at the graph's insertion point and returns its value;
// otherwise it returns nullptr. A pattern does not match where something else uses a value between
// its steps, since that value would be computed all the same.
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
