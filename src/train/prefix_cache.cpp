#include "salf/train/prefix_cache.h"

#include <ATen/core/grad_mode.h>
#include <ATen/ops/from_blob.h>
#include <ATen/ops/zeros.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <string>

#include "salf/core/error.h"
#include "salf/core/log.h"

namespace salf::train {
namespace {

std::size_t place(std::int64_t value) { return static_cast<std::size_t>(value); }

// Unlinked, with all of its space reserved: a full disk shows here and not as a signal in the middle of a run.
class NamelessFile {
 public:
  NamelessFile(const std::filesystem::path& folder, std::size_t bytes) : bytes_(std::max<std::size_t>(bytes, 1)) {
    std::string name = (folder / ".prefix-cache-XXXXXX").string();
    const int file = ::mkstemp(name.data());
    if (file < 0) fail(name, errno);
    ::unlink(name.c_str());
    const int full = ::posix_fallocate(file, 0, static_cast<off_t>(bytes_));
    void* const start = full == 0 ? ::mmap(nullptr, bytes_, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0) : MAP_FAILED;
    const int reason = full != 0 ? full : errno;
    ::close(file);
    if (start == MAP_FAILED) fail(name, reason);
    data_ = static_cast<float*>(start);
  }
  ~NamelessFile() { ::munmap(data_, bytes_); }
  NamelessFile(const NamelessFile&) = delete;
  NamelessFile& operator=(const NamelessFile&) = delete;

  float* data() const { return data_; }

 private:
  [[noreturn]] void fail(const std::string& name, int reason) const {
    throw Error(ErrorKind::kIo, core::printable(name, 4096) + ": no room for the activation cache of " +
                                    std::to_string(bytes_) + " bytes: " + std::strerror(reason));
  }

  std::size_t bytes_;
  float* data_ = nullptr;
};

}  // namespace

struct PrefixCache::Parts {
  Parts(const model::GraphCut& cut_in, std::int64_t eof_in, const data::Batcher& batcher_in,
        const std::vector<data::BatchPlan>& first_in, const std::filesystem::path& folder)
      : cut(cut_in),
        eof(eof_in),
        batcher(batcher_in),
        width(cut_in.map().hidden),
        first(first_in),
        file(folder, bytes(batcher_in, cut_in.map().hidden)),
        first_batch(place(batcher_in.rows()), 0),
        begin(place(batcher_in.rows()), 0),
        length(place(batcher_in.rows()), 0),
        present(place(batcher_in.rows()), false) {
    std::int64_t tokens = 0;
    for (std::int64_t row = 0; row < batcher.rows(); ++row) {
      begin[place(row)] = tokens;
      length[place(row)] = batcher.row_length(row);
      tokens += length[place(row)];
    }
    for (std::size_t plan = 0; plan < first.size(); ++plan) {
      for (const std::int64_t row : first[plan].rows) first_batch[place(row)] = plan;
    }
  }

  // [T_row, D], in the file.
  at::Tensor stored(std::int64_t row) const {
    return at::from_blob(file.data() + begin[place(row)] * width, {length[place(row)], width}, at::TensorOptions(at::kFloat));
  }

  void store(const std::vector<std::int64_t>& rows, const at::Tensor& hidden) {
    for (std::size_t b = 0; b < rows.size(); ++b) {
      stored(rows[b]).copy_(hidden[static_cast<std::int64_t>(b)].narrow(0, 0, length[place(rows[b])]));
      present[place(rows[b])] = true;
    }
  }

  const model::GraphCut& cut;
  std::int64_t eof;
  const data::Batcher& batcher;
  std::int64_t width;  // D
  std::vector<data::BatchPlan> first;
  NamelessFile file;
  std::vector<std::size_t> first_batch;  // of each row, in `first`
  std::vector<std::int64_t> begin, length;  // of each row, in tokens
  std::vector<bool> present;
};

std::uint64_t PrefixCache::bytes(const data::Batcher& batcher, std::int64_t hidden) {
  return static_cast<std::uint64_t>(batcher.real_tokens()) * static_cast<std::uint64_t>(hidden) * sizeof(float);
}

PrefixCache::PrefixCache(const model::GraphCut& cut, std::int64_t eof, const data::Batcher& batcher,
                         const std::vector<data::BatchPlan>& first, const std::filesystem::path& folder)
    : parts_(std::make_unique<Parts>(cut, eof, batcher, first, folder)) {}

PrefixCache::~PrefixCache() = default;

bool PrefixCache::holds(const tensor::Batch& batch) const {
  return std::all_of(batch.source_rows.begin(), batch.source_rows.end(),
                     [this](std::int64_t row) { return parts_->present[place(row)]; });
}

at::Tensor PrefixCache::hidden(const tensor::Batch& batch) {
  const at::NoGradGuard quiet;
  for (const std::int64_t row : batch.source_rows) {
    if (parts_->present[place(row)]) continue;
    const data::BatchPlan& plan = parts_->first[parts_->first_batch[place(row)]];
    const bool this_one = plan.rows == batch.source_rows;
    const at::Tensor computed = parts_->cut.prefix(this_one ? batch : parts_->batcher.make(plan), parts_->eof);
    parts_->store(plan.rows, computed);
    if (this_one) return computed;
  }
  at::Tensor hidden = at::zeros({batch.rows(), batch.length(), parts_->width}, at::TensorOptions(at::kFloat));
  for (std::size_t b = 0; b < batch.source_rows.size(); ++b) {
    const at::Tensor row = parts_->stored(batch.source_rows[b]);
    hidden[static_cast<std::int64_t>(b)].narrow(0, 0, row.size(0)).copy_(row);
  }
  return hidden.to(parts_->cut.head_weight().device());
}

}  // namespace salf::train
