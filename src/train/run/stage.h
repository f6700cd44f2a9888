// What is trained between two moves of the cut, and where the frozen part's output is kept at each
// cut of a run.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "train/cache/prefix_cache.h"
#include "train/run/run_inputs.h"
#include "train/step/freeze.h"
#include "train/step/optimizer.h"
#include "train/step/step_runner.h"
#include "train/step/weights.h"

namespace salf::train {

// The shards of the rows that this process has.
ShardRange own_shards(const RunInputs& inputs);

// Whether each rank updates its part of the trained weights alone (weight_part.h).
bool updates_part(const RunInputs& inputs);

// Of these, the parameters that steps read by copies alone, on all ranks.
std::set<std::string> read_by_copies(
    const RunInputs& inputs, const std::vector<model::Parameter>& parameters);

// Whether training rows are used again, so that their prefix is worth keeping.
bool keeps_prefix(const RunInputs& inputs);

// FLOPs of one training batch at a cut, whose frozen part is run or comes from the cache.
double training_flops(
    const types::ModelShape& shape, const tensor::Batch& batch, std::int64_t cut, bool cached);

// A chain: what a shallower cut keeps serves the deeper ones, so that the prefix of a row is run
// once in the whole run, and is there when the cut moves. Null where nothing is kept: nothing is
// used again or frozen, or the disk has no room. A rank keeps its own rows.
class StageCaches {
 public:
  explicit StageCaches(const RunInputs& inputs);

  PrefixCache* train(std::size_t stage) const { return train_[stage].get(); }
  PrefixCache* dev(std::size_t stage) const { return dev_[stage].get(); }

  // Whether nobody will run the blocks below the last cut again.
  bool complete() const;
  // All together; nothing without any.
  std::optional<types::CacheUse> use() const;

 private:
  std::vector<std::unique_ptr<PrefixCache>> train_, dev_;
};

// What two caches did together. REQUIRES: of one type
types::CacheUse sum_of(types::CacheUse use, const types::CacheUse& more);

struct Stage {
  // The best weights are not taken yet.
  Stage(const RunInputs& inputs, const StageCaches& caches, std::size_t index);

  // All ranks: the trained weights in float32, and the optimizer's state as AdamW::state; nothing
  // of that where it is not `wanted`.
  void gather_weights();
  std::vector<tensor::NamedTensor> optimizer_state(
      const std::string& prefix, const std::filesystem::path& folder, bool wanted);
  // The weights were written, and this is their state.
  void load_optimizer_state(const std::vector<tensor::NamedTensor>& tensors,
      const std::string& prefix, std::int64_t steps);

  std::size_t index;
  std::int64_t cut;
  double learning_rate;  // at the schedule's height
  PrefixCache* cache;
  PrefixCache* dev_cache;
  Freeze freeze;
  std::unique_ptr<GradientSum> sum;  // null of one shard
  std::unique_ptr<WeightPart> part;  // null where the optimizer updates all
  AdamW optimizer;
  StepRunner runner;
  Snapshot best;
};

// The next one: what goes on being trained keeps its weights and moments, and the best weights stay
// those.
std::unique_ptr<Stage> next_stage(
    std::unique_ptr<Stage> stage, const RunInputs& inputs, const StageCaches& caches);

}  // namespace salf::train
