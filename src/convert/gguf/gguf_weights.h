// Which tensor of a GGUF file holds which weight of a Llama-family decoder, and how does it become
// float32?
#pragma once

#include <string>

#include "convert/families/module_builder.h"
#include "convert/gguf/gguf.h"
#include "convert/hugging_face/llama_config.h"

namespace salf::convert {

// The file's name of a planned parameter: "model.layers.0.mlp.up_proj.weight" is
// "blk.0.ffn_up.weight". REQUIRES: the parameter is one of llama_program's
std::string gguf_name(const std::string& name);

// REQUIRES: check_llama_tensors(file, config) has passed. File and configuration must outlive it.
class GgufWeights final : public WeightSource {
 public:
  GgufWeights(const GgufFile& file, const LlamaConfig& config) : file_(file), config_(config) {}
  at::Tensor read(const std::string& name) const override;

  TensorType type(const std::string& name) const;
  // A matrix as the file has it, its rows in the model's order: [rows, bytes of a row] u8.
  at::Tensor encoded(const std::string& name) const;

 private:
  const GgufFile& file_;
  const LlamaConfig& config_;
};

}  // namespace salf::convert
