// What of a decoder's graph follows from the number of tokens alone: rotary angles, masks, learned
// positions. Without it, the graph can read a text piece by piece.
#pragma once

#include <cstddef>
#include <vector>

#include "model/graph/program.h"

namespace salf::model {

struct LengthValues {
  GraphPointer graph;               // the same arguments → the values, each a Tensor or None
  std::vector<bool> for_attention;  // which of them are masks of salf::attention
};

// Makes these values of the flat `graph` (rewritten by use_own_operators) its last inputs, and
// keys and values of attentions that are spelled out pass through salf::remembered.
LengthValues take_length_values(const GraphPointer& graph, const torch::jit::Module& module);

}  // namespace salf::model
