// Named tensors in a file of the safetensors format: u64 little-endian header length, a JSON header
// {"name": {"dtype", "shape", "data_offsets"}, "__metadata__": {text: text}}, then the bytes. Every
// number in the header is checked against the file. Types: F64 F32 F16 BF16
// F8_E4M3 F8_E5M2 I64 I32 I16 I8 U8 BOOL.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "core/files.h"

namespace salf::tensor {

struct NamedTensor {
  std::string name;
  at::Tensor tensor;
};

struct TensorFile {
  std::vector<NamedTensor> tensors;
  std::map<std::string, std::string> metadata;
};

// Writes atomically. The header lists the tensors in the given order. Throws Error(kIo), and
// Error(kInternal) for an undefined tensor, another type, and a name that occurs twice, is not
// UTF-8 or is "__metadata__".
void write_tensor_file(const std::filesystem::path& path, const TensorFile& file);

// A tensor that will be written.
struct TensorPlan {
  std::string name;
  c10::ScalarType type = c10::kFloat;
  std::vector<std::int64_t> shape;
};

// The same for tensors that need not be in memory together. Calls `make` once for each plan's
// tensor and frees it before the next. Throws also Error(kInternal) for another type or shape.
void write_tensor_file(const std::filesystem::path& path, const std::vector<TensorPlan>& plans,
    const std::map<std::string, std::string>& metadata,
    const std::function<at::Tensor(const TensorPlan&)>& make);

// Tensors in the header's order, on the CPU. Throws Error(kIo) when unreadable, Error(kBadInput)
// naming the file and the place when malformed.
TensorFile read_tensor_file(const std::filesystem::path& path);

// One tensor of a file that has not been read yet.
struct TensorEntry {
  std::string name;
  c10::ScalarType type = c10::kFloat;
  std::vector<std::int64_t> shape;
  std::uint64_t begin = 0;  // in bytes, within the file's data
  std::uint64_t end = 0;

  std::uint64_t bytes() const { return end - begin; }
};

// A mapped file whose header has been checked, for files too large to be read at once.
class MappedTensorFile {
 public:
  // Throws as read_tensor_file does.
  explicit MappedTensorFile(const std::filesystem::path& path);

  const std::filesystem::path& path() const { return path_; }
  const std::vector<TensorEntry>& entries() const { return entries_; }  // in the header's order
  const std::map<std::string, std::string>& metadata() const { return metadata_; }
  // entry.bytes() bytes at any alignment. REQUIRES: the entry is this file's
  const std::uint8_t* data(const TensorEntry& entry) const {
    return file_.data() + data_begin_ + entry.begin;
  }
  // Gives the tensor's pages back to the system. Later reads fetch them from the file.
  void release(const TensorEntry& entry) const {
    file_.release(data_begin_ + entry.begin, entry.bytes());
  }

 private:
  std::filesystem::path path_;
  core::MappedFile file_;
  std::vector<TensorEntry> entries_;
  std::map<std::string, std::string> metadata_;
  std::uint64_t data_begin_ = 0;
};

}  // namespace salf::tensor
