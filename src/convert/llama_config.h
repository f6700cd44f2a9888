// Which sizes and constants make a decoder of the Llama family, and does a GGUF file hold its tensors?
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "salf/convert/gguf.h"
#include "salf/core/json.h"

namespace salf::convert {

struct LlamaConfig {
  std::string architecture;       // "llama" or "qwen2"
  std::int64_t blocks = 0;        // L
  std::int64_t hidden = 0;        // D
  std::int64_t feed_forward = 0;
  std::int64_t heads = 0;
  std::int64_t kv_heads = 0;
  std::int64_t head_dim = 0;
  std::int64_t vocabulary = 0;    // V
  std::int64_t context = 0;
  double epsilon = 0.0;           // of the norms
  double rope_theta = 0.0;
  double rope_factor = 1.0;       // linear scaling: positions are divided by it
  std::vector<float> rope_divisors;  // rope_freqs.weight: one per frequency, or empty
  bool qkv_bias = false;
  bool tied = false;              // no head of its own
  // llama.cpp stores the rows of q and k so that the two halves of a rotary pair are neighbours; see
  // Note [Rotary rows] in gguf_weights.cpp.
  bool rotary_rows_interleaved = false;

  std::int64_t query_rows() const { return heads * head_dim; }
  std::int64_t kv_rows() const { return kv_heads * head_dim; }
  // Radians per position, one per rotary pair: theta^(−2i/head_dim), scaled. [head_dim / 2]
  std::vector<double> rope_frequencies() const;
};

// Reads and checks the metadata. Throws Error(kBadModel) naming the key.
LlamaConfig read_llama_config(const GgufFile& file);

// Every tensor of the model must be there in its shape (all problems in one Error(kBadModel)), and none
// within a block may be left over, because the result would differ silently. Returns a warning for each
// other tensor that is not used.
std::vector<std::string> check_llama_tensors(const GgufFile& file, const LlamaConfig& config);

// The tokenizer's, where the file states them.
struct SpecialIds {
  std::optional<std::int64_t> bos, eos, padding;
};
// config.json as transformers writes it.
core::Json hugging_face_config(const LlamaConfig& config, const SpecialIds& ids);

}  // namespace salf::convert
