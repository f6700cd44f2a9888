// How do the states of a PrefixCache lie in their file? prefix_cache.h describes the bytes.
#pragma once

#include <ATen/core/Tensor.h>
#include <c10/core/ScalarType.h>

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "core/json.h"
#include "tensor/mapped_space.h"

namespace salf::train {

inline std::size_t index_of(std::int64_t row) { return static_cast<std::size_t>(row); }

struct CachedRows {
  std::vector<std::int64_t> lengths;  // T of each row
  std::int64_t width = 0;             // D
  c10::ScalarType type = c10::kFloat;

  std::uint64_t row_bytes(std::int64_t row) const;
  std::uint64_t bytes() const;
};

class CacheFile {
 public:
  // Without a name, in `folder`. Throws as tensor::MappedSpace::nameless does.
  CacheFile(CachedRows rows, const std::filesystem::path& folder);
  // At `path`, and kept. What is there is used if its header is that of `rows` and `key`, but for
  // the rows whose checksum is wrong; any other file is replaced. The log tells. Throws as
  // tensor::MappedSpace::created does.
  CacheFile(CachedRows rows, const std::filesystem::path& path, const core::Json& key);

  bool holds(std::int64_t row) const { return present_[index_of(row)]; }
  bool complete() const { return present_rows_ == rows_.lengths.size(); }
  // [T_row, D] of the file's type, in the file: what is read is only meant where the row is held.
  at::Tensor state(std::int64_t row) const;
  // `state`: [T_row, D]
  void store(std::int64_t row, const at::Tensor& state);

 private:
  void lay_out(std::uint64_t begin);
  void take_valid_rows(const std::filesystem::path& path);
  void mark(std::int64_t row);
  std::uint64_t checksum(std::int64_t row) const;
  std::uint64_t* stored_checksum(std::int64_t row) const;

  CachedRows rows_;
  std::unique_ptr<tensor::MappedSpace> space_;
  bool named_;
  std::uint64_t table_ = 0;  // of the checksums, in bytes from the file's begin; only where named
  std::vector<std::uint64_t> begin_;  // of each row, in bytes from the file's begin
  std::vector<bool> present_;
  std::size_t present_rows_ = 0;
};

}  // namespace salf::train
