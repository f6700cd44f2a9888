// What does a step cost here? A few real batches, timed piece by piece, from which any cut can be
// priced.
#pragma once

#include <c10/core/ScalarType.h>

#include <cstdint>
#include <filesystem>

#include "salf/core/progress.h"
#include "salf/data/batching.h"
#include "salf/model/graph_cut.h"
#include "salf/model/script_model.h"
#include "salf/types/measured_cost.h"

namespace salf::train {

struct ProbeOptions {
  double seconds = 10.0;     // stop timing more batches after this long (one at least is timed)
  std::int64_t batches = 5;  // timed batches at most
  std::int64_t eof = 0;      // where it is deeper than the middle the batches are cut there: timing then holds no more memory than the run
  bool warm = false;         // others were timed just before: the longest batch, which comes first, counts too
  std::uint64_t seed = 1;    // which batches
  c10::ScalarType autocast = c10::ScalarType::Float;
  // A folder in which the model is written once, timed and removed; empty: MeasuredCost::save stays
  // 0.
  std::filesystem::path scratch;
};

struct ProbeResult {
  types::MeasuredCost cost;
  double seconds = 0.0;  // that measuring took
};

// Times real batches of `batcher`. Weights, gradients and requires_grad of the model are afterwards
// what they were. Throws Error(kBadInput) if the batcher has no rows.
ProbeResult measure_cost(const model::ScriptModel& model, const model::GraphCut& cut,
                         const data::Batcher& batcher, const ProbeOptions& options,
                         core::Progress& progress);

}  // namespace salf::train
