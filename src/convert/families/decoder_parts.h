// Parts that the families' programs share: TorchScript texts and module plans. Module paths, and so
// the parameters' names, are those of transformers. Shapes in the sources:
//   B batch  T tokens  D hidden  H query heads  K key/value heads  C size of a head  F feed-forward
//   V vocabulary
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "convert/families/decoder.h"

namespace salf::convert {

// Pieces of a grouped-query attention's forward(hidden, cos, sin, mask), in their order.
extern const char* const kProjections;  // q_proj, k_proj, v_proj → query [B, T, H, C], key, value
extern const char* const kTurns;  // rotates query and key, transposes all to [B, H or K, T, C]
extern const char* const kNormedTurns;  // the same after q_norm and k_norm, head by head
// Attention with the kernel's causal order where mask is None, then o_proj. `scale`: "", or the
// argument ", scale=self.scale".
std::string attention_result(const std::string& scale = "");
// The methods rotate and forward with these pieces. The class has heads, kv_heads and head_dim.
std::string attention_source(const std::string& pieces);
extern const char* const kAttentionStart;  // forward's head: batch, tokens

// A decoder's method visible_tokens(input_ids, attention_mask, window, needed) -> Optional mask.
extern const char* const kVisibleTokens;

// The TorchScript of transformers' activation `name` of `argument`. Nothing for an unknown name.
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
// q_proj, k_proj, v_proj and o_proj with `source` and the attributes heads, kv_heads and head_dim.
ModulePlan plan_attention(const DecoderConfig& config, const std::string& source);
// The block of most families: norms before the attention and before the feed-forward.
ModulePlan plan_pre_norm_block(
    const DecoderConfig& config, ModulePlan attention, ModulePlan feed_forward);

// What the families' decoders differ in.
struct DecoderStyle {
  std::string embedding_factor;  // TorchScript expression, "" for none
  bool masks_needed = false;     // the attention cannot do without a mask
};
// Embedding, blocks (each is `block`), the final norm `norm` and the head under "model" and
// "lm_head". The source calls each block by itself, so that the calls stand in the decoder's graph.
ModulePlan plan_causal_model(const DecoderConfig& config, const ModulePlan& block,
    const ModulePlan& norm, const DecoderStyle& style);
// The same with the usual norm and style, as a whole decoder.
Decoder make_decoder(DecoderConfig config, const ModulePlan& block);
// The outermost module: `body` under `body.member`, and the head.
ModulePlan plan_head(const DecoderConfig& config, ModulePlan body, const std::string& embedding);

}  // namespace salf::convert
