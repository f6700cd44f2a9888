#include "train/cache/prefix_cache.h"

#include <ATen/core/grad_mode.h>
#include <ATen/ops/zeros.h>

#include <algorithm>
#include <string>

#include "core/hash.h"
#include "train/cache/cache_file.h"

namespace salf::train {
namespace {

c10::ScalarType scalar_type(types::CacheType type) {
  return type == types::CacheType::kBFloat16 ? c10::kBFloat16 : c10::kFloat;
}

void hash_numbers(core::Sha256& hash, const std::int64_t* numbers, std::size_t count) {
  const std::uint64_t length = count;
  hash.update(&length, sizeof length);
  hash.update(numbers, count * sizeof *numbers);
}

std::string row_hash(const data::Batcher& batcher) {
  core::Sha256 hash;
  for (std::int64_t row = 0; row < batcher.rows(); ++row) {
    const at::Tensor ids = batcher.make({{row}, batcher.row_length(row)}).ids;
    hash_numbers(hash, ids.const_data_ptr<std::int64_t>(), index_of(ids.numel()));
  }
  return hash.hex();
}

std::string batch_hash(const std::vector<data::BatchPlan>& plans) {
  core::Sha256 hash;
  for (const auto& plan : plans) hash_numbers(hash, plan.rows.data(), plan.rows.size());
  return hash.hex();
}

std::unique_ptr<CacheFile> open_file(const data::Batcher& batcher, std::int64_t width,
    const std::vector<data::BatchPlan>& first, const CacheSetup& setup) {
  CachedRows rows{{}, width, scalar_type(setup.type)};
  for (std::int64_t row = 0; row < batcher.rows(); ++row)
    rows.lengths.push_back(batcher.row_length(row));
  if (setup.name.empty()) return std::make_unique<CacheFile>(std::move(rows), setup.folder);
  core::Json key = setup.key;
  key["eof"] = setup.cut;
  key["row_hash"] = row_hash(batcher);
  key["batch_hash"] = batch_hash(first);
  return std::make_unique<CacheFile>(std::move(rows), setup.folder / setup.name, key);
}

}  // namespace

struct PrefixCache::Parts {
  Parts(const model::GraphCut& graph_in, const data::Batcher& batcher_in,
      const std::vector<data::BatchPlan>& first_in, const CacheSetup& setup)
      : graph(graph_in), batcher(batcher_in), cut(setup.cut), shallower(setup.shallower),
        shallower_cut(setup.shallower != nullptr ? setup.shallower->parts_->cut : 0),
        width(graph_in.map().hidden), first(first_in), first_batch(index_of(batcher_in.rows()), 0),
        file(open_file(batcher_in, graph_in.map().hidden, first_in, setup)) {
    for (std::size_t plan = 0; plan < first.size(); ++plan) {
      for (const std::int64_t row : first[plan].rows) first_batch[index_of(row)] = plan;
    }
    use.dtype = setup.type;
    use.rows = batcher.rows();
    use.bytes = static_cast<std::int64_t>(bytes(batcher, width, setup.type));
  }

  at::Tensor compute(const tensor::Batch& batch) const {
    if (shallower == nullptr) return graph.prefix(batch, cut);
    at::Tensor hidden = shallower->hidden(batch);
    for (std::int64_t block = shallower_cut; block < cut; ++block)
      hidden = graph.block(hidden, batch, block);
    return hidden;
  }

  // What a later reading of these rows gives.
  at::Tensor store(const std::vector<std::int64_t>& rows, const at::Tensor& hidden) {
    use.rows_computed += static_cast<std::int64_t>(rows.size());
    for (std::size_t b = 0; b < rows.size(); ++b) {
      const at::Tensor state =
          hidden[static_cast<std::int64_t>(b)].narrow(0, 0, batcher.row_length(rows[b]));
      if (!file->holds(rows[b])) file->store(rows[b], state);
    }
    return hidden.to(scalar_type(use.dtype)).to(hidden.scalar_type());
  }

  const model::GraphCut& graph;
  const data::Batcher& batcher;
  std::int64_t cut;
  PrefixCache* shallower;
  std::int64_t shallower_cut;
  std::int64_t width;  // D
  std::vector<data::BatchPlan> first;
  std::vector<std::size_t> first_batch;  // of each row, in `first`
  std::unique_ptr<CacheFile> file;
  types::CacheUse use;
};

std::uint64_t PrefixCache::bytes(
    const data::Batcher& batcher, std::int64_t hidden, types::CacheType type) {
  return static_cast<std::uint64_t>(batcher.real_tokens() * hidden) *
         c10::elementSize(scalar_type(type));
}

PrefixCache::PrefixCache(const model::GraphCut& graph, const data::Batcher& batcher,
    const std::vector<data::BatchPlan>& first, const CacheSetup& setup)
    : parts_(std::make_unique<Parts>(graph, batcher, first, setup)) {}

PrefixCache::~PrefixCache() = default;

bool PrefixCache::holds(const tensor::Batch& batch) const {
  return std::all_of(batch.source_rows.begin(), batch.source_rows.end(),
      [this](std::int64_t row) { return parts_->file->holds(row); });
}

bool PrefixCache::complete() const { return parts_->file->complete(); }

types::CacheUse PrefixCache::use() const {
  types::CacheUse use = parts_->use;
  use.complete = complete();
  return use;
}

at::Tensor PrefixCache::hidden(const tensor::Batch& batch) {
  const at::NoGradGuard quiet;
  for (const std::int64_t row : batch.source_rows) {
    if (parts_->file->holds(row)) continue;
    const data::BatchPlan& plan = parts_->first[parts_->first_batch[index_of(row)]];
    const bool this_one = plan.rows == batch.source_rows;
    const at::Tensor computed = parts_->compute(this_one ? batch : parts_->batcher.make(plan));
    at::Tensor stored = parts_->store(plan.rows, computed);
    if (this_one) return stored;
  }
  parts_->use.rows_read += batch.rows();
  at::Tensor hidden =
      at::zeros({batch.rows(), batch.length(), parts_->width}, at::TensorOptions(at::kFloat));
  for (std::size_t b = 0; b < batch.source_rows.size(); ++b) {
    const at::Tensor row = parts_->file->state(batch.source_rows[b]);
    hidden[static_cast<std::int64_t>(b)].narrow(0, 0, row.size(0)).copy_(row);
  }
  return hidden.to(parts_->graph.head_weight().device());
}

}  // namespace salf::train
