// The frozen part's output, kept so that its forward pass is paid for once per row.
#pragma once

#include <ATen/core/Tensor.h>
#include <c10/core/ScalarType.h>

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "core/json.h"
#include "data/batching/batching.h"
#include "model/graph/graph_cut.h"
#include "tensor/batch.h"
#include "types/run_record.h"

namespace salf::train {

class PrefixCache;

struct CacheSetup {
  std::int64_t cut = 0;
  types::CacheType type = types::CacheType::kFloat32;
  std::filesystem::path folder;  // exists
  std::string name;              // of a file in `folder` that is kept; "": none is left behind
  // What else the states depend on (hashes of model and tokenizer, versions); only looked at with a
  // name.
  core::Json key = core::Json::object();
  PrefixCache* shallower = nullptr;  // of the same rows and batches: what lies between is run on
                                     // its states. Outlives this
};

// The hidden states at the cut of every row of a batcher, unpadded, [T_row, D] one after another in
// one memory-mapped file; its pages count as file cache, not as anonymous memory. Without a name
// the file is unlinked as soon as it is made, so nothing stale or partial can be used by another
// run, and nothing is left behind however this one ends. A file with a name is
//
//   header     one line of JSON, padded with spaces to a multiple of 64 bytes:
//              {"schema": "salf.prefix-cache/1", "rows": R, "hidden": D, "dtype": "Float" or
//              "BFloat16",
//               "bytes": of the states, "key": {setup.key…, "cut", "row_hash", "batch_hash"}}
//   checksums  [R] u64: the first 64 bits of the SHA-256 of a row's state; 0: the row is not there
//   states     from the next multiple of 64 bytes on: [T_0, D], [T_1, D], …
//
// in the machine's (little-endian) byte order; row_hash is the SHA-256 of all rows' ids, batch_hash
// that of the batches of `first`. Such a file is used again if its size and its header are, byte
// for byte, what would be written anew; each row is checked against its checksum then, so that all
// of the file is read once. A row whose checksum is wrong is made anew, and so is the whole file
// where anything else is different.
//
// A row's state is that of its batch in `first` (the first epoch, or the order of evaluation): in
// that pass the cached state is the computed one, bit for bit (of bf16: the rounded one). A row
// that is asked for before (after a resume) is computed in that batch, so a resumed run sees the
// same values.
class PrefixCache {
 public:
  // Bytes of the states.
  static std::uint64_t bytes(
      const data::Batcher& batcher, std::int64_t hidden, types::CacheType type);

  // `first`: plans that hold every row of `batcher` once, or those of this rank: other rows are not
  // kept, and may not be asked for. The file's space is reserved.
  // The references must outlive this. Throws Error(kIo) where it would take more than half of the
  // free disk.
  PrefixCache(const model::GraphCut& graph, const data::Batcher& batcher,
      const std::vector<data::BatchPlan>& first, const CacheSetup& setup);
  ~PrefixCache();
  PrefixCache(const PrefixCache&) = delete;
  PrefixCache& operator=(const PrefixCache&) = delete;

  // h_eof of a batch of the batcher: [B, T, D] on the model's device; what stands at padding means
  // nothing. Runs without autograd. On a GPU the host waits for nothing, unless a row is asked for
  // again before the device came to the step after the one that computed it.
  at::Tensor hidden(const tensor::Batch& batch);
  // On a GPU, puts the states of a batch that is asked for next on their way, beside the device's
  // work, if all its rows are there.
  void send_ahead(const tensor::Batch& batch);

  // Whether hidden() would compute nothing for this batch.
  bool holds(const tensor::Batch& batch) const;
  // Whether it would for none.
  bool complete() const;

  // What this object did; flops_avoided is the caller's.
  types::CacheUse use() const;

 private:
  struct Parts;
  std::unique_ptr<Parts> parts_;
};

}  // namespace salf::train
