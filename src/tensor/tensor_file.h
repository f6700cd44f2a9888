// How are named tensors kept in a file? In the safetensors format: u64 little-endian header length,
// a JSON header {"name": {"dtype", "shape", "data_offsets"}, "__metadata__": {text: text}}, then
// the bytes. Every number in the header is checked against the file before it is believed.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

namespace salf::tensor {

struct NamedTensor {
  std::string name;
  at::Tensor tensor;
};

struct TensorFile {
  std::vector<NamedTensor> tensors;
  std::map<std::string, std::string> metadata;
};

// Types: F64 F32 F16 BF16 I64 I32 I16 I8 U8 BOOL.
// Writes atomically, listing the tensors in the order given (each moved to the CPU and made
// contiguous). Throws Error(kIo), and Error(kInternal) for an undefined tensor, another type, and
// names that occur twice, are no UTF-8 or are "__metadata__".
void write_tensor_file(const std::filesystem::path& path, const TensorFile& file);

// A tensor that will be written.
struct TensorPlan {
  std::string name;
  c10::ScalarType type = c10::kFloat;
  std::vector<std::int64_t> shape;
};

// The same for tensors that need not be in memory together: `make` is asked for each plan's tensor
// once, and what it gives is let go before the next one. Throws also Error(kInternal) for a tensor
// of another type or shape than planned.
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

// A mapped file whose header has been checked: for files too large to be read at once.
class MappedTensorFile {
 public:
  // Throws as read_tensor_file does.
  explicit MappedTensorFile(const std::filesystem::path& path);
  ~MappedTensorFile();
  MappedTensorFile(MappedTensorFile&&) noexcept;

  const std::filesystem::path& path() const;
  const std::vector<TensorEntry>& entries() const;  // in the header's order
  const std::map<std::string, std::string>& metadata() const;
  // entry.bytes() bytes at any alignment. REQUIRES: the entry is this file's
  const std::uint8_t* data(const TensorEntry& entry) const;
  // Gives the pages of the tensor back to the system; they return from the file when they are read
  // again.
  void release(const TensorEntry& entry) const;

 private:
  struct Contents;
  std::unique_ptr<const Contents> contents_;
};

}  // namespace salf::tensor
