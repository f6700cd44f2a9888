// Frozen blocks rounded so that what they compute changes least on the data at hand.
#pragma once

#include <vector>

#include "model/weights/quantized_blocks.h"

namespace salf::model {

// Rounds each matrix by the second moments of what it multiplies in these batches (ops::quantize).
// The blocks run on them once, one after another and as they were loaded. The states [tokens, D]
// and the moments of one block are held. Layers that do not multiply by a parameter as it stands
// (GPT-2's are transposed) are rounded to the nearest. REQUIRES: batches are not empty; the packer
// is asked for the blocks in order, before any of them is replaced, as QuantizedBlocks does.
Packer fitted_rounding(
    ops::WeightFormat format, const GraphCut& graph, std::vector<tensor::Batch> batches);

}  // namespace salf::model
