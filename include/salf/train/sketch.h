// The gradient sketch of a model on some rows: one full-depth backward pass on each of two disjoint batches.
#pragma once

#include <c10/core/ScalarType.h>

#include <cstdint>
#include <optional>

#include "salf/core/progress.h"
#include "salf/data/batching.h"
#include "salf/model/graph_cut.h"
#include "salf/model/script_model.h"
#include "salf/types/gradient_sketch.h"

namespace salf::train {

// Of the first two batches with a loss of the epoch that `seed` gives; nothing if there are no two, or a gradient is not
// finite. Holds two gradients of the whole model at a time. Weights, gradients and requires_grad are afterwards what they
// were. REQUIRES: no LoRA on the cut
std::optional<types::GradientSketch> gradient_sketch(const model::ScriptModel& model, const model::GraphCut& cut,
                                                     const data::Batcher& batcher, std::uint64_t seed,
                                                     c10::ScalarType autocast, core::Progress& progress);

}  // namespace salf::train
