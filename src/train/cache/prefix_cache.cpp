#include "train/cache/prefix_cache.h"

#include <ATen/core/grad_mode.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/from_blob.h>

#include <cstring>
#include <deque>

#include "core/hash.h"
#include "core/log.h"
#include "core/text.h"
#include "tensor/device.h"
#include "tensor/mapped_space.h"
#include "tensor/transfer.h"

namespace salf::train {
namespace {

namespace fs = std::filesystem;

constexpr const char* kCacheSchema = "salf.prefix-cache/1";
// What stands for a row that has not been written.
constexpr std::uint64_t kAbsent = 0;

std::size_t index_of(std::int64_t row) { return static_cast<std::size_t>(row); }

struct CachedRows {
  std::vector<std::int64_t> lengths;  // T of each row; 0 of those that are not kept
  std::int64_t width = 0;             // D
  c10::ScalarType type = c10::kFloat;

  std::uint64_t row_bytes(std::size_t row) const {
    return static_cast<std::uint64_t>(lengths[row] * width) * c10::elementSize(type);
  }
  std::uint64_t bytes() const {
    std::uint64_t sum = 0;
    for (std::size_t row = 0; row < lengths.size(); ++row) sum += row_bytes(row);
    return sum;
  }
};

std::string header_text(const CachedRows& rows, const core::Json& key) {
  core::Json header = {{"schema", kCacheSchema}, {"rows", rows.lengths.size()},
      {"hidden", rows.width}, {"dtype", c10::toString(rows.type)}, {"bytes", rows.bytes()},
      {"key", key}};
  std::string text = header.dump() + "\n";
  text.resize(tensor::aligned(text.size()), ' ');
  return text;
}

// The file that prefix_cache.h describes.
class CacheFile {
 public:
  // Without a name, in `folder`.
  CacheFile(CachedRows rows, const fs::path& folder)
      : rows_(std::move(rows)), space_(tensor::MappedSpace::nameless(folder, rows_.bytes())),
        named_(false) {
    lay_out(0);
  }

  // At `path`, and kept. What is there is used if its header is that of `rows` and `key`, but for
  // the rows whose checksum is wrong; any other file is replaced. The log tells.
  CacheFile(CachedRows rows, const fs::path& path, const core::Json& key)
      : rows_(std::move(rows)), named_(true) {
    const std::string header = header_text(rows_, key);
    table_ = header.size();
    const std::uint64_t data =
        tensor::aligned(table_ + sizeof(std::uint64_t) * rows_.lengths.size());
    const std::uint64_t size = data + rows_.bytes();
    space_ = tensor::MappedSpace::opened(path, size);
    // Nothing in the file is believed: it is used where each byte of its header is what would be
    // written here.
    const bool fits =
        space_ != nullptr && std::memcmp(space_->data(), header.data(), header.size()) == 0;
    if (!fits) {
      if (fs::exists(path)) {
        core::log_info(core::printable_path(path) +
                       ": not used: it is of another model, other rows, another cut or other "
                       "batches, or is damaged");
      }
      space_.reset();
      space_ = tensor::MappedSpace::created(path, size);
      std::memcpy(space_->data(), header.data(), header.size());
    }
    lay_out(data);
    if (fits) take_valid_rows(path);
  }

  bool holds(std::int64_t row) const { return present_[index_of(row)]; }
  bool complete() const { return present_rows_ == kept_rows_; }

  // [T_row, D] of the file's type, in the file: what is read is only meant where the row is held.
  at::Tensor state(std::int64_t row) const {
    return at::from_blob(space_->data() + begin_[index_of(row)],
        {rows_.lengths[index_of(row)], rows_.width}, at::TensorOptions(rows_.type));
  }

  // `state`: [T_row, D]
  void store(std::int64_t row, const at::Tensor& state) {
    this->state(row).copy_(state);
    if (named_) stored_checksum(index_of(row)) = checksum(index_of(row));
    mark(index_of(row));
  }

 private:
  void lay_out(std::uint64_t begin) {
    present_.resize(rows_.lengths.size(), false);
    for (std::size_t row = 0; row < rows_.lengths.size(); ++row) {
      begin_.push_back(begin);
      begin += rows_.row_bytes(row);
      if (rows_.lengths[row] > 0) ++kept_rows_;
    }
  }

  void take_valid_rows(const fs::path& path) {
    std::int64_t damaged = 0;
    for (std::size_t row = 0; row < rows_.lengths.size(); ++row) {
      if (stored_checksum(row) == kAbsent) continue;
      if (stored_checksum(row) == checksum(row)) {
        mark(row);
      } else {
        ++damaged;
      }
    }
    core::log_info(
        core::printable_path(path) + ": the frozen part's output of " +
        core::format_count(static_cast<std::int64_t>(present_rows_)) + " of " +
        core::format_count(static_cast<std::int64_t>(kept_rows_)) + " rows is used again" +
        (damaged > 0 ? ", " + core::format_count(damaged) + " damaged ones are not" : ""));
  }

  void mark(std::size_t row) {
    if (!present_[row]) ++present_rows_;
    present_[row] = true;
  }

  std::uint64_t checksum(std::size_t row) const {
    const auto* bytes = reinterpret_cast<const char*>(space_->data() + begin_[row]);
    return core::stable_hash(std::string_view(bytes, rows_.row_bytes(row)));
  }

  std::uint64_t& stored_checksum(std::size_t row) const {
    return reinterpret_cast<std::uint64_t*>(space_->data() + table_)[row];
  }

  CachedRows rows_;
  std::unique_ptr<tensor::MappedSpace> space_;
  bool named_;
  std::uint64_t table_ = 0;  // of the checksums, in bytes from the file's begin; only where named
  std::vector<std::uint64_t> begin_;  // of each row, in bytes from the file's begin
  std::vector<bool> present_;
  std::size_t kept_rows_ = 0;
  std::size_t present_rows_ = 0;
};

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
    const tensor::Batch batch = batcher.make({{row}, batcher.row_length(row)});
    for (const at::Tensor& numbers : {batch.ids, batch.segments}) {
      if (!numbers.defined()) continue;
      hash_numbers(hash, numbers.const_data_ptr<std::int64_t>(), index_of(numbers.numel()));
    }
  }
  return hash.hex();
}

std::string batch_hash(const std::vector<data::BatchPlan>& plans) {
  core::Sha256 hash;
  for (const auto& plan : plans) hash_numbers(hash, plan.rows.data(), plan.rows.size());
  return hash.hex();
}

CacheFile open_file(const data::Batcher& batcher, std::int64_t width,
    const std::vector<data::BatchPlan>& first, const CacheSetup& setup) {
  CachedRows rows{{}, width, scalar_type(setup.type)};
  rows.lengths.resize(index_of(batcher.rows()), 0);
  for (const auto& plan : first) {
    for (const std::int64_t row : plan.rows) rows.lengths[index_of(row)] = batcher.row_length(row);
  }
  if (setup.name.empty()) return CacheFile(std::move(rows), setup.folder);
  core::Json key = setup.key;
  key["eof"] = setup.cut;
  key["row_hash"] = row_hash(batcher);
  key["batch_hash"] = batch_hash(first);
  return CacheFile(std::move(rows), setup.folder / setup.name, key);
}

}  // namespace

struct PrefixCache::Parts {
  Parts(const model::GraphCut& graph_in, const data::Batcher& batcher_in,
      const std::vector<data::BatchPlan>& first_in, const CacheSetup& setup)
      : graph(graph_in), batcher(batcher_in), cut(setup.cut), shallower(setup.shallower),
        width(graph_in.map().hidden), first(first_in), first_batch(index_of(batcher_in.rows()), 0),
        file(open_file(batcher_in, width, first_in, setup)),
        device(graph_in.head_weight().device()), expected(index_of(batcher_in.rows()), 0) {
    for (std::size_t plan = 0; plan < first.size(); ++plan) {
      for (const std::int64_t row : first[plan].rows) first_batch[index_of(row)] = plan;
    }
    use.dtype = setup.type;
    for (const auto& plan : first) {
      use.rows += static_cast<std::int64_t>(plan.rows.size());
      use.bytes += batcher.real_tokens(plan) * width *
                   static_cast<std::int64_t>(c10::elementSize(scalar_type(setup.type)));
    }
  }

  at::Tensor compute(const tensor::Batch& batch) const {
    if (shallower == nullptr) return graph.prefix(batch, cut);
    at::Tensor hidden = shallower->hidden(batch);
    for (std::int64_t block = shallower->parts_->cut; block < cut; ++block)
      hidden = graph.block(hidden, batch, block);
    return hidden;
  }

  // What a later reading of these rows gives.
  at::Tensor store(const std::vector<std::int64_t>& rows, const at::Tensor& hidden) {
    use.rows_computed += static_cast<std::int64_t>(rows.size());
    const at::Tensor kept = hidden.to(scalar_type(use.dtype));
    if (device.is_cpu()) {
      store_rows(rows, hidden);
    } else {
      arriving.push_back({rows, tensor::Arriving(kept)});
      for (const std::int64_t row : rows) ++expected[index_of(row)];
    }
    return kept.to(hidden.scalar_type());
  }

  void store_rows(const std::vector<std::int64_t>& rows, const at::Tensor& hidden) {
    for (std::size_t b = 0; b < rows.size(); ++b) {
      const at::Tensor state =
          hidden[static_cast<std::int64_t>(b)].narrow(0, 0, batcher.row_length(rows[b]));
      if (!file.holds(rows[b])) file.store(rows[b], state);
    }
  }

  // Stores what has come from the GPU; `all`: waits for the rest.
  void store_arrived(bool all) {
    for (; !arriving.empty() && (all || arriving.front().states.is_there()); arriving.pop_front()) {
      const Coming& next = arriving.front();
      store_rows(next.rows, next.states.take());
      for (const std::int64_t row : next.rows) --expected[index_of(row)];
    }
  }

  bool holds(std::int64_t row) const { return file.holds(row) || expected[index_of(row)] > 0; }

  // The states [B, T, D] of rows in the file, on the host, with zeros at padding.
  at::Tensor read(const tensor::Batch& batch) {
    const auto stored = [this](std::int64_t row) { return file.holds(row); };
    const auto& rows = batch.source_rows;
    store_arrived(!std::all_of(rows.begin(), rows.end(), stored));
    const std::vector<std::int64_t> shape{batch.rows(), batch.length(), width};
    const at::Tensor hidden = device.is_cpu() ? at::empty(shape, at::TensorOptions(graph.type()))
                                              : tensor::pinned(shape, scalar_type(use.dtype));
    for (std::size_t b = 0; b < rows.size(); ++b) {
      const at::Tensor row = file.state(rows[b]);
      const at::Tensor here = hidden[static_cast<std::int64_t>(b)];
      here.narrow(0, 0, row.size(0)).copy_(row);
      here.narrow(0, row.size(0), here.size(0) - row.size(0)).zero_();
    }
    return hidden;
  }

  at::Tensor read_to_device(const tensor::Batch& batch) {
    for (; !ahead.empty(); ahead.pop_front()) {
      if (ahead.front().rows != batch.source_rows) continue;
      const at::Tensor there = ahead.front().states.take();
      ahead.pop_front();
      return there;
    }
    return tensor::sent(read(batch), device);
  }

  struct Coming {
    std::vector<std::int64_t> rows;
    tensor::Arriving states;
  };
  struct Going {
    std::vector<std::int64_t> rows;
    tensor::Ahead states;
  };

  const model::GraphCut& graph;
  const data::Batcher& batcher;
  std::int64_t cut;
  PrefixCache* shallower;
  std::int64_t width;  // D
  std::vector<data::BatchPlan> first;
  std::vector<std::size_t> first_batch;  // of each row, in `first`
  CacheFile file;
  types::CacheUse use;
  // On a GPU:
  c10::Device device;
  std::deque<Coming> arriving;         // computed, on their way to the file
  std::vector<std::int32_t> expected;  // how many of these have each row
  std::deque<Going> ahead;             // on their way to the device
};

std::uint64_t PrefixCache::bytes(
    const data::Batcher& batcher, std::int64_t hidden, types::CacheType type) {
  return static_cast<std::uint64_t>(batcher.real_tokens() * hidden) *
         c10::elementSize(scalar_type(type));
}

PrefixCache::PrefixCache(const model::GraphCut& graph, const data::Batcher& batcher,
    const std::vector<data::BatchPlan>& first, const CacheSetup& setup)
    : parts_(std::make_unique<Parts>(graph, batcher, first, setup)) {}

PrefixCache::~PrefixCache() {
  try {
    parts_->store_arrived(true);
  } catch (const std::exception& error) {
    core::log_warning("rows of the cache are lost: " + tensor::error_text(error));
  }
}

bool PrefixCache::holds(const tensor::Batch& batch) const {
  return std::all_of(batch.source_rows.begin(), batch.source_rows.end(),
      [this](std::int64_t row) { return parts_->holds(row); });
}

bool PrefixCache::complete() const {
  parts_->store_arrived(false);
  return parts_->file.complete();
}

types::CacheUse PrefixCache::use() const {
  parts_->store_arrived(true);
  types::CacheUse use = parts_->use;
  use.complete = complete();
  return use;
}

at::Tensor PrefixCache::hidden(const tensor::Batch& batch) {
  const at::NoGradGuard quiet;
  parts_->store_arrived(false);
  for (const std::int64_t row : batch.source_rows) {
    if (parts_->holds(row)) continue;
    const data::BatchPlan& plan = parts_->first[parts_->first_batch[index_of(row)]];
    const bool this_one = plan.rows == batch.source_rows;
    const at::Tensor computed = parts_->compute(
        this_one ? batch : tensor::on_device(parts_->batcher.make(plan), parts_->device));
    at::Tensor stored = parts_->store(plan.rows, computed);
    if (this_one) return stored;
  }
  parts_->use.rows_read += batch.rows();
  return parts_->device.is_cpu() ? parts_->read(batch)
                                 : parts_->read_to_device(batch).to(parts_->graph.type());
}

void PrefixCache::send_ahead(const tensor::Batch& batch) {
  if (parts_->device.is_cpu()) return;
  const auto stored = [this](std::int64_t row) { return parts_->file.holds(row); };
  if (!std::all_of(batch.source_rows.begin(), batch.source_rows.end(), stored)) return;
  parts_->ahead.push_back({batch.source_rows, {parts_->read(batch), parts_->device}});
}

}  // namespace salf::train
