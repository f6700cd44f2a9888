// Which pieces do the decoders' programs share? TorchScript texts, and plans of the modules that
// most families have. Module paths are those of transformers, so that parameters have its names.
// Shapes in the sources:
//   B batch  T tokens  D hidden  H query heads  K key/value heads  C size of a head  F feed-forward
//   V vocabulary
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "convert/families/decoder.h"

namespace salf::convert {

// The method rotate(x, cos, sin) of an attention. x [B, T, H or K, C]; the class has an attribute
// head_dim.
extern const char* const kRotate;

// The method visible_tokens(input_ids, attention_mask, window, needed) -> Optional mask of a
// decoder.
extern const char* const kVisibleTokens;

// The method rotary_tables(input_ids) -> (cos, sin) of a decoder; the class has an attribute
// rotary_frequencies.
extern const char* const kRotaryTables;

// The TorchScript expression of an activation as transformers names it, applied to `argument`;
// nothing for an unknown name.
std::optional<std::string> activation_expression(
    const std::string& name, const std::string& argument);
std::string known_activations();  // "gelu, gelu_new, …"

// [out, in] weights, as torch.nn.Linear.
ModulePlan plan_linear(
    const std::string& member, std::int64_t out, std::int64_t in, bool bias = false);
// The root mean square norm, with a scale.
ModulePlan plan_norm(const std::string& member, std::int64_t size, double epsilon);
ModulePlan plan_embedding(const std::string& member, std::int64_t rows, std::int64_t hidden);
// down(activation(gate(x)) * up(x))
ModulePlan plan_feed_forward(const std::string& member, const DecoderConfig& config);
// q_proj, k_proj, v_proj and o_proj around `source`, with the attributes heads, kv_heads and
// head_dim.
ModulePlan plan_attention(const DecoderConfig& config, const std::string& source);
// The block of most families: norms before the attention and before the feed-forward.
ModulePlan plan_pre_norm_block(
    const DecoderConfig& config, ModulePlan attention, ModulePlan feed_forward);

// What the families' decoders differ in.
struct DecoderStyle {
  std::string rotary_tables = kRotaryTables;
  std::string embedding_factor;  // TorchScript expression, "" for none
  bool masks_needed = false;     // the attention cannot do without a mask
};
// Embedding, blocks (each of them `block`), the final norm `norm` and the head under "model" and
// "lm_head". One call per block is written out, so that the blocks' calls stand in the decoder's
// graph.
ModulePlan plan_causal_model(const DecoderConfig& config, const ModulePlan& block,
    const ModulePlan& norm, const DecoderStyle& style);
// The outermost module: `body` as the member `body.member`, and the head.
ModulePlan plan_head(const DecoderConfig& config, ModulePlan body, const std::string& embedding);

}  // namespace salf::convert
