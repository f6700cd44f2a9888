// A decoder of any source: its sizes, constants and program.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "convert/families/module_plan.h"

namespace salf::convert {

// Far above any real model. Each block is planned before its tensors are looked for.
inline constexpr std::int64_t kMostBlocks = 10000;

// Rotary positions: pair i of a head turns by frequencies[i] radians per token.
struct RotaryConfig {
  std::string type = "default";  // transformers' rope_type
  double theta = 0.0;            // 0: not known
  double factor = 1.0;           // of linear scaling
  std::vector<double> frequencies;
  // LongRoPE: the frequencies for inputs of more than short_context tokens. Empty for other types.
  std::vector<double> long_frequencies;
  std::int64_t short_context = 0;
  double scale = 1.0;  // of the rotated elements
};

struct DecoderConfig {
  std::string architecture;  // model_type of transformers: "llama", "qwen2", …
  std::int64_t blocks = 0;   // L
  std::int64_t hidden = 0;   // D
  std::int64_t feed_forward = 0;
  std::int64_t heads = 0;
  std::int64_t kv_heads = 0;
  std::int64_t head_dim = 0;
  std::int64_t vocabulary = 0;  // V
  std::int64_t context = 0;
  double epsilon = 0.0;  // of the norms
  std::string activation = "silu";
  RotaryConfig rotary;
  std::int64_t window = 0;     // tokens that a windowed block sees, with its own; 0: no windows
  std::vector<bool> windowed;  // per block; empty: none
  bool qkv_bias = false;
  bool output_bias = false;  // of the attention's output projection
  bool feed_forward_bias = false;
  bool tied = false;  // the head is the embedding

  std::int64_t query_rows() const { return heads * head_dim; }
  std::int64_t kv_rows() const { return kv_heads * head_dim; }
};

struct Decoder {
  DecoderConfig config;
  std::string blocks_path;  // "model.layers"
  ModulePlan program;       // forward(input_ids, attention_mask: Optional = None) -> logits
};

}  // namespace salf::convert
