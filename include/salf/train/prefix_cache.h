// Where is the frozen part's output kept, so that its forward pass is paid for once per row?
#pragma once

#include <ATen/core/Tensor.h>
#include <c10/core/ScalarType.h>

#include <cstdint>
#include <filesystem>
#include <memory>
#include <vector>

#include "salf/data/batching.h"
#include "salf/model/graph_cut.h"
#include "salf/tensor/batch.h"

namespace salf::train {

// The hidden states at the cut of every row of a batcher, unpadded, f32 [T_row, D] one after another in one
// memory-mapped file. The file has no name (it is unlinked as soon as it is made), so nothing stale or partial can
// be used by another run, and nothing is left behind however this one ends; its pages count as file cache, not as
// anonymous memory.
//
// A row's state is that of its batch in `first` (the first epoch, or the order of evaluation): in that pass the
// cached state is the computed one, bit for bit. A row that is asked for before (after a resume) is computed in
// that batch, so a resumed run sees the same values.
class PrefixCache {
 public:
  // Bytes of the file.
  static std::uint64_t bytes(const data::Batcher& batcher, std::int64_t hidden);

  // `first`: plans that hold every row of `batcher` once. The file is made in `folder` and its space reserved.
  // The references must outlive this. Throws Error(kIo) when there is no room.
  PrefixCache(const model::GraphCut& cut, std::int64_t eof, const data::Batcher& batcher,
              const std::vector<data::BatchPlan>& first, const std::filesystem::path& folder);
  ~PrefixCache();
  PrefixCache(const PrefixCache&) = delete;
  PrefixCache& operator=(const PrefixCache&) = delete;

  // h_eof of a batch of the batcher: [B, T, D] on the model's device; what stands at padding means nothing. Runs
  // without autograd, under the caller's autocast.
  at::Tensor hidden(const tensor::Batch& batch);

  // Whether hidden() would compute nothing for this batch.
  bool holds(const tensor::Batch& batch) const;

 private:
  struct Parts;
  std::unique_ptr<Parts> parts_;
};

}  // namespace salf::train
