// Documents that share a row: attention stays within each, and positions begin at each.
#pragma once

#include "model/graph/program.h"

namespace salf::model {

// Gives the calls of salf::attention in the flat `graph` the batch's segments as a last input of
// the graph, a Tensor or None. Look-ups in tables of positions get them as well: embeddings whose
// indices come from shapes, constants and the attention mask only. Returns whether anything takes
// them; if not, the graph is as it was.
bool insert_segments(const GraphPointer& graph, const torch::jit::Module& module);

// Calls of salf::attention in `graph` that have a mask.
std::int64_t masked_attentions(const torch::jit::Graph& graph);

}  // namespace salf::model
