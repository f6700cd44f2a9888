// Makes a program compute in bfloat16.
#pragma once

#include <string>
#include <vector>

#include "model/graph/program.h"

namespace salf::model {

// Names a value of a graph as a hidden state, whose type is that of the computation: inserts
// salf::state(value) after it, which takes its place. Returns the new value.
torch::jit::Value* mark_state(torch::jit::Value* value);

// In `graph` (rewritten by use_own_operators), hidden states and factors of matrix products become
// bfloat16, and attention works in the type of what it takes. What stands between (norms, masks,
// tables, scales) keeps its type, and mixtures are promoted. The result of the product with the
// parameter `wide_weight` (a name, or "") becomes float32. Weights that products read from the
// module come in bfloat16 by further inputs of the graph; returns these parameters, in the order of
// the inputs.
std::vector<at::Tensor> use_bfloat16(
    const GraphPointer& graph, const torch::jit::Module& module, const std::string& wide_weight);

}  // namespace salf::model
