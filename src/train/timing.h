// A few real batches, timed piece by piece, from which a step at any cut can be priced.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>

#include "core/progress.h"
#include "data/batching/batching.h"
#include "model/graph/graph_cut.h"
#include "model/script_model.h"
#include "train/step/freeze.h"
#include "types/measured_cost.h"
#include "types/run_record.h"

namespace salf::train {

struct TimingOptions {
  // No further batch that would end later; of none, that of half a batch counts, which is always
  // timed.
  double seconds = 10.0;
  std::int64_t batches = 5;  // at most
  std::int64_t cut = 0;      // where deeper than the middle: no more memory than the run is held
  bool gradients = false;    // measure Timing::gradient_agreement: two gradients are held at a time
  std::uint64_t seed = 1;    // which batches
  // A folder in which a sample of the size of a few weights is written, timed and removed, once it
  // is known to have room for the model; empty: MeasuredCost::save stays 0.
  std::filesystem::path scratch;
  // Of a cut with branches: what the same rows cost without them, in the same units. Then the
  // blocks above the cut, the optimizer and the memory are measured, and the rest, which branches
  // do not change, is taken from here. Null: everything is measured.
  const types::MeasuredCost* without_branches = nullptr;
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

// What of the cost says how much memory a run takes; the rest is 0. As above.
types::MeasuredCost measure_memory(const model::ScriptModel& model, const model::GraphCut& graph,
    const data::Batcher& batcher, const TimingOptions& options);

// Seconds of each padded token of the fullest batch in a step that trains the blocks above the
// middle, or above the cut where that is deeper: the quicker of two, after one that finds its
// kernels.
double seconds_per_token(const model::ScriptModel& model, const model::GraphCut& graph,
    const data::Batcher& batcher, const TimingOptions& options);

// Times, on random data and in the type in which the cut computes, the
// products of one step with `tokens` positions in the blocks and `supervised` in the head: forward,
// gradient to the input and gradient to the weight for each trained matrix of the blocks, forward
// and gradient to the state for the head (and to its weight where it is trained). Products between
// activations (attention) are left out. Takes about as long as three
// steps. share_of_step is the caller's.
types::MatrixProducts time_matrix_products(const model::GraphCut& graph, const Freeze& freeze,
    std::int64_t tokens, std::int64_t supervised);

}  // namespace salf::train
