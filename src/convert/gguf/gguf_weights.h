// The configuration and weights of a Llama-family decoder in a GGUF file.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "convert/families/decoder.h"
#include "convert/gguf/gguf.h"

namespace salf::convert {

// Also what config.json needs of the file.
struct LlamaConfig : DecoderConfig {
  double rope_theta = 0.0;
  double rope_factor = 1.0;          // linear scaling: positions are divided by it
  std::vector<float> rope_divisors;  // rope_freqs.weight: one per frequency, or empty
};

// Reads and checks the metadata. Throws Error(kBadModel) naming the key.
LlamaConfig read_llama_config(const GgufFile& file);

// Throws one Error(kBadModel) with all problems: a tensor of the model that is missing or
// misshapen, or unused and of a block. Returns a warning for each other unused tensor.
std::vector<std::string> check_llama_tensors(const GgufFile& file, const LlamaConfig& config);

// The tokenizer's ids, where the file states them.
struct SpecialIds {
  std::optional<std::int64_t> bos, eos, padding;
};
// config.json as transformers writes it.
core::Json hugging_face_config(const LlamaConfig& config, const SpecialIds& ids);

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
