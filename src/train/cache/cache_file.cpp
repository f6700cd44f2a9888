#include "train/cache/cache_file.h"

#include <ATen/ops/from_blob.h>

#include <cstring>
#include <string_view>
#include <utility>

#include "core/hash.h"
#include "core/log.h"
#include "core/text.h"

namespace salf::train {
namespace {

namespace fs = std::filesystem;

constexpr const char* kCacheSchema = "salf.prefix-cache/1";
// What stands for a row that has not been written.
constexpr std::uint64_t kAbsent = 0;

std::string header_text(const CachedRows& rows, const core::Json& key) {
  core::Json header = {{"schema", kCacheSchema}, {"rows", rows.lengths.size()},
      {"hidden", rows.width}, {"dtype", c10::toString(rows.type)}, {"bytes", rows.bytes()},
      {"key", key}};
  std::string text = header.dump() + "\n";
  text.resize(tensor::aligned(text.size()), ' ');
  return text;
}

}  // namespace

std::uint64_t CachedRows::row_bytes(std::int64_t row) const {
  return static_cast<std::uint64_t>(lengths[index_of(row)] * width) * c10::elementSize(type);
}

std::uint64_t CachedRows::bytes() const {
  std::uint64_t sum = 0;
  for (std::size_t row = 0; row < lengths.size(); ++row)
    sum += row_bytes(static_cast<std::int64_t>(row));
  return sum;
}

CacheFile::CacheFile(CachedRows rows, const fs::path& folder)
    : rows_(std::move(rows)), space_(tensor::MappedSpace::nameless(folder, rows_.bytes())),
      named_(false) {
  lay_out(0);
}

CacheFile::CacheFile(CachedRows rows, const fs::path& path, const core::Json& key)
    : rows_(std::move(rows)), named_(true) {
  const std::string header = header_text(rows_, key);
  table_ = header.size();
  const std::uint64_t data = tensor::aligned(table_ + sizeof(std::uint64_t) * rows_.lengths.size());
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

void CacheFile::lay_out(std::uint64_t begin) {
  present_.resize(rows_.lengths.size(), false);
  for (std::size_t row = 0; row < rows_.lengths.size(); ++row) {
    begin_.push_back(begin);
    begin += rows_.row_bytes(static_cast<std::int64_t>(row));
  }
}

void CacheFile::take_valid_rows(const fs::path& path) {
  std::int64_t damaged = 0;
  for (std::int64_t row = 0; row < static_cast<std::int64_t>(rows_.lengths.size()); ++row) {
    if (*stored_checksum(row) == kAbsent) continue;
    if (*stored_checksum(row) == checksum(row)) {
      mark(row);
    } else {
      ++damaged;
    }
  }
  core::log_info(core::printable_path(path) + ": the frozen part's output of " +
                 core::format_count(static_cast<std::int64_t>(present_rows_)) + " of " +
                 core::format_count(static_cast<std::int64_t>(rows_.lengths.size())) +
                 " rows is used again" +
                 (damaged > 0 ? ", " + core::format_count(damaged) + " damaged ones are not" : ""));
}

at::Tensor CacheFile::state(std::int64_t row) const {
  return at::from_blob(space_->data() + begin_[index_of(row)],
      {rows_.lengths[index_of(row)], rows_.width}, at::TensorOptions(rows_.type));
}

void CacheFile::store(std::int64_t row, const at::Tensor& state) {
  this->state(row).copy_(state);
  if (named_) *stored_checksum(row) = checksum(row);
  mark(row);
}

void CacheFile::mark(std::int64_t row) {
  if (!holds(row)) ++present_rows_;
  present_[index_of(row)] = true;
}

std::uint64_t CacheFile::checksum(std::int64_t row) const {
  const auto* bytes = reinterpret_cast<const char*>(space_->data() + begin_[index_of(row)]);
  return core::stable_hash(std::string_view(bytes, rows_.row_bytes(row)));
}

std::uint64_t* CacheFile::stored_checksum(std::int64_t row) const {
  return reinterpret_cast<std::uint64_t*>(space_->data() + table_) + row;
}

}  // namespace salf::train
