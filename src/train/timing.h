// What does a step cost here? A few real batches, timed piece by piece, from which any cut can be
// priced.
#pragma once

#include <c10/core/ScalarType.h>

#include <cstdint>
#include <filesystem>
#include <optional>

#include "core/progress.h"
#include "data/batching/batching.h"
#include "model/graph/graph_cut.h"
#include "model/script_model.h"
#include "types/measured_cost.h"

namespace salf::train {

struct TimingOptions {
  double seconds = 10.0;     // stop timing more batches after this long: of none at all, half a
                             // batch's time is taken, which is the warm-up
  std::int64_t batches = 5;  // timed batches at most
  std::int64_t cut = 0;      // where it is deeper than the middle the batches are cut there: timing
                             // then holds no more memory than the run
  bool gradients =
      false;  // measure Timing::gradient_agreement, for which two gradients are held at a time
  std::uint64_t seed = 1;  // which batches
  c10::ScalarType autocast = c10::ScalarType::Float;
  // A folder in which a sample of the size of a few weights is written, timed and removed, once it
  // is known to have room for the model; empty: MeasuredCost::save stays 0.
  std::filesystem::path scratch;
};

struct Timing {
  types::MeasuredCost cost;
  // ⟨∇ ln L_A, ∇ ln L_B⟩ over the upper half of the blocks and the final norm: A and B are the
  // halves of two batches, L the mean loss of each. Its expectation is |∇ ln L|² whatever their
  // size: to first order the share of the loss that a unit of descent takes off. At least 0.
  // Nothing of one batch alone, with LoRA, or below a cut deeper than the middle.
  std::optional<double> gradient_agreement;
  double seconds = 0.0;  // that measuring took
};

// Times real batches of `batcher`. Weights, gradients and requires_grad of the model are afterwards
// what they were. Throws Error(kBadInput) if the batcher has no rows.
Timing time_steps(const model::ScriptModel& model, const model::GraphCut& graph,
    const data::Batcher& batcher, const TimingOptions& options, core::Progress& progress);

}  // namespace salf::train
