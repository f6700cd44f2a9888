// How long do a step's matrix products take alone? What no step above the cut can be faster than on
// this machine.
#pragma once

#include <cstdint>

#include "model/graph/graph_cut.h"
#include "train/step/freeze.h"
#include "types/run_record.h"

namespace salf::train {

// share_of_step is the caller's. Times, on random data and in the dtype of the weights, the
// products of one step with `tokens` positions in the blocks and `supervised` in the head: forward,
// gradient to the input and gradient to the weight for each trained matrix of the blocks, forward
// and gradient to the state for the head (and to its weight where it is trained). Products between
// activations (attention) are left out. Takes about as long as three steps.
types::MatrixProducts time_matrix_products(const model::GraphCut& graph, const Freeze& freeze,
    std::int64_t tokens, std::int64_t supervised);

}  // namespace salf::train
