// How are named tensors kept in a file? In the safetensors format: u64 little-endian header length, a JSON
// header {"name": {"dtype", "shape", "data_offsets"}, "__metadata__": {text: text}}, then the bytes.
// Every number in the header is checked against the file before it is believed.
#pragma once

#include <ATen/core/Tensor.h>

#include <filesystem>
#include <map>
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
// Writes atomically, listing the tensors in the order given (each moved to the CPU and made contiguous).
// Throws Error(kIo), and Error(kInternal) for an undefined tensor, another type, and names that occur twice,
// are no UTF-8 or are "__metadata__".
void write_tensor_file(const std::filesystem::path& path, const TensorFile& file);

// Tensors in the header's order, on the CPU. Throws Error(kIo) when unreadable, Error(kBadInput) naming the file and the place when malformed.
TensorFile read_tensor_file(const std::filesystem::path& path);

}  // namespace salf::tensor
