#include "convert/families/decoder_parts.h"
#include "convert/families/families.h"

namespace salf::convert {
namespace {

// Grouped-query attention whose queries and keys are normed over all heads at once before they are
// rotated.
constexpr const char* kOlmo2Attention = R"TS(
def forward(self, hidden: Tensor, cos: Tensor, sin: Tensor, mask: Optional[Tensor]) -> Tensor:
    batch, tokens = hidden.size(0), hidden.size(1)
    query = self.q_norm.forward(self.q_proj.forward(hidden)).view([batch, tokens, self.heads, self.head_dim])
    key = self.k_norm.forward(self.k_proj.forward(hidden)).view([batch, tokens, self.kv_heads, self.head_dim])
    value = self.v_proj.forward(hidden).view([batch, tokens, self.kv_heads, self.head_dim])
    query = self.rotate(query, cos, sin).transpose(1, 2)  # [B, H, T, C]
    key = self.rotate(key, cos, sin).transpose(1, 2)      # [B, K, T, C]
    value = value.transpose(1, 2)
    if mask is None:
        mixed = torch.scaled_dot_product_attention(query, key, value, is_causal=True, enable_gqa=True)
    else:
        mixed = torch.scaled_dot_product_attention(query, key, value, attn_mask=mask, enable_gqa=True)
    return self.o_proj.forward(mixed.transpose(1, 2).reshape([batch, tokens, self.heads * self.head_dim]))
)TS";

// The norms stand behind attention and feed-forward, not before them.
constexpr const char* kOlmo2Block = R"TS(
def forward(self, hidden: Tensor, cos: Tensor, sin: Tensor, mask: Optional[Tensor]) -> Tensor:
    hidden = hidden + self.post_attention_layernorm.forward(self.self_attn.forward(hidden, cos, sin, mask))
    return hidden + self.post_feedforward_layernorm.forward(self.mlp.forward(hidden))
)TS";

}  // namespace

Decoder read_olmo2(const HfConfig& config) {
  DecoderDefaults defaults;
  defaults.epsilon = 1e-5;
  DecoderConfig decoder = read_decoder_config(config, defaults);
  decoder.qkv_bias = decoder.output_bias = config.flag("attention_bias", false);

  ModulePlan attention = plan_attention(decoder, std::string(kRotate) + kOlmo2Attention);
  attention.children.push_back(plan_norm("q_norm", decoder.query_rows(), decoder.epsilon));
  attention.children.push_back(plan_norm("k_norm", decoder.kv_rows(), decoder.epsilon));
  const ModulePlan block{"", "Block", kOlmo2Block, {}, {},
      {attention, plan_feed_forward("mlp", decoder),
          plan_norm("post_attention_layernorm", decoder.hidden, decoder.epsilon),
          plan_norm("post_feedforward_layernorm", decoder.hidden, decoder.epsilon)}};
  ModulePlan program =
      plan_causal_model(decoder, block, plan_norm("norm", decoder.hidden, decoder.epsilon), {});
  return {std::move(decoder), "model.layers", std::move(program)};
}

}  // namespace salf::convert
