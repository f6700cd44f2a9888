// The weights that a run's steps do not read: they leave the memory that the steps need.
#pragma once

#include <cstdint>
#include <optional>

#include "train/cache/frozen_weights.h"
#include "train/cache/prefix_cache.h"
#include "train/run/run_inputs.h"

namespace salf::train {

// Weights that have copies in bfloat16 leave at once, for a file or, from a GPU, for the host.
// Those that lie in the model's archive are in a file already. A frozen embedding and head are
// bfloat16 on a GPU. Those below the cut leave when every row is cached. What a later stage trains
// stays, and what is trained, but for weights that a rank of several updates elsewhere.
class UnreadWeights {
 public:
  // `cache`: of the last cut's train rows, null without. `inputs` must outlive this.
  UnreadWeights(const RunInputs& inputs, const Freeze& freeze, const PrefixCache* cache);

  // Every row is cached: nothing but saving reads what is frozen below the cut. A second call does
  // nothing.
  void all_cached(const Freeze& freeze);

  std::int64_t bytes() const;  // of the frozen ones that left

 private:
  const RunInputs& inputs_;
  bool on_cpu_;
  // Of a GPU: those with copies, and those below the cut without. They come back at the end.
  std::optional<HostWeights> copied_, below_;
  std::optional<NarrowedWeights> outer_;  // of a GPU: embedding and head
  std::optional<MappedWeights> mapped_, stale_;
  std::int64_t in_archive_ = 0;
  bool released_ = false;
};

}  // namespace salf::train
