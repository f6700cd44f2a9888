// The weights of a Llama-family decoder in a GGUF file.
#pragma once

#include <string>

#include "convert/gguf/gguf.h"
#include "convert/hugging_face/llama_config.h"

namespace salf::convert {

// REQUIRES: check_llama_tensors(file, config) has passed. File and configuration outlive it.
class GgufWeights final : public WeightSource {
 public:
  GgufWeights(const GgufFile& file, const LlamaConfig& config) : file_(file), config_(config) {}
  at::Tensor read(const std::string& name) const override;

  TensorType type(const std::string& name) const;
  // A matrix as the file has it, its rows in the model's order: [rows, bytes of a row] u8.
  at::Tensor encoded(const std::string& name) const;

 private:
  struct Found;
  Found find(const std::string& name) const;

  const GgufFile& file_;
  const LlamaConfig& config_;
};

}  // namespace salf::convert
