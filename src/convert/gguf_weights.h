// Which GGUF tensors does a Llama-family decoder consist of, and how do they become float32 weights?
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <string>
#include <vector>

#include "salf/convert/gguf.h"

namespace salf::convert {

struct LlamaConfig;

struct ExpectedTensor {
  std::string name;
  std::vector<std::int64_t> shape;
};

// In the order of the program: embedding, blocks, final norm, head (if it is not tied).
std::vector<ExpectedTensor> llama_tensors(const LlamaConfig& config);

// "[49152, 576]"
std::string shape_text(const std::vector<std::int64_t>& shape);

// A tensor of the file as a new float32 parameter of the same shape. REQUIRES: it is there.
at::Tensor read_weight(const GgufFile& file, const std::string& name);

// The same for rows [heads * head_dim, …] in llama.cpp's rotary order. See Note [Rotary rows].
at::Tensor read_rotary_weight(const GgufFile& file, const std::string& name, std::int64_t head_dim);

}  // namespace salf::convert
