// What a run is made of: what is trained, how and where.
#pragma once

#include <c10/core/ScalarType.h>

#include <cstdint>
#include <filesystem>

#include "core/json.h"
#include "data/batching/batching.h"
#include "model/graph/graph_cut.h"
#include "model/script_model.h"
#include "train/run/train_options.h"
#include "types/freeze_plan.h"

namespace salf::train {

// All of it must outlive the run.
struct RunSubject {
  const model::ScriptModel& model;
  const model::GraphCut& graph;
  const data::Batcher& train;
  const data::Batcher& dev;  // without rows: no evaluation, the last weights are kept
  // shape, cuts, steps, learning rates, accumulate, budget and evaluations are read; with stages,
  // what prices a step. FLOPs are counted by its shape: none for a shape without blocks.
  const types::FreezePlan& plan;
};

struct RunMethod {
  TrainOptions options{};
  std::uint64_t seed = 1;  // order of the batches
  c10::ScalarType autocast =
      c10::ScalarType::Float;  // bf16 on CUDA: products in it, weights stay f32
};

struct RunPlace {
  std::filesystem::path folder{};  // exists
  // What may not change when the run is resumed (hashes of model and data, options of the caller);
  // the plan and the trainer's own options are added.
  core::Json identity = core::Json::object();
  // What the frozen part's output depends on besides rows and cut (hashes of model and tokenizer,
  // versions); needed for options.keep_cache.
  core::Json cache_key = core::Json::object();
};

struct RunInputs {
  RunSubject what;
  RunMethod how{};
  RunPlace where{};
};

}  // namespace salf::train
