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

// Writes atomically, tensors in the order given (moved to the CPU, made contiguous). Throws Error(kIo).
void write_tensor_file(const std::filesystem::path& path, const TensorFile& file);

// Throws Error(kIo) when unreadable, Error(kBadInput) naming the file and the place when malformed.
TensorFile read_tensor_file(const std::filesystem::path& path);

}  // namespace salf::tensor
