#include "convert/families/decoder_parts.h"
#include "convert/families/families.h"

namespace salf::convert {
namespace {

// Grouped-query attention whose queries and keys are normed head by head before they are rotated.
constexpr const char* kQwen3Attention = R"TS(
def forward(self, hidden: Tensor, cos: Tensor, sin: Tensor, mask: Optional[Tensor]) -> Tensor:
    batch, tokens = hidden.size(0), hidden.size(1)
    query = self.q_proj.forward(hidden).view([batch, tokens, self.heads, self.head_dim])
    key = self.k_proj.forward(hidden).view([batch, tokens, self.kv_heads, self.head_dim])
    value = self.v_proj.forward(hidden).view([batch, tokens, self.kv_heads, self.head_dim])
    query = self.rotate(self.q_norm.forward(query), cos, sin).transpose(1, 2)  # [B, H, T, C]
    key = self.rotate(self.k_norm.forward(key), cos, sin).transpose(1, 2)      # [B, K, T, C]
    value = value.transpose(1, 2)
    if mask is None:
        mixed = torch.scaled_dot_product_attention(query, key, value, is_causal=True, enable_gqa=True)
    else:
        mixed = torch.scaled_dot_product_attention(query, key, value, attn_mask=mask, enable_gqa=True)
    return self.o_proj.forward(mixed.transpose(1, 2).reshape([batch, tokens, self.heads * self.head_dim]))
)TS";

}  // namespace

Decoder read_qwen3(const HfConfig& config) {
  DecoderDefaults defaults;
  defaults.head_dim = 128;
  DecoderConfig decoder = read_decoder_config(config, defaults);
  decoder.qkv_bias = decoder.output_bias = config.flag("attention_bias", false);
  read_upper_windows(config, decoder);

  ModulePlan attention = plan_attention(decoder, std::string(kRotate) + kQwen3Attention);
  attention.children.push_back(plan_norm("q_norm", decoder.head_dim, decoder.epsilon));
  attention.children.push_back(plan_norm("k_norm", decoder.head_dim, decoder.epsilon));
  const ModulePlan block =
      plan_pre_norm_block(decoder, std::move(attention), plan_feed_forward("mlp", decoder));
  ModulePlan program =
      plan_causal_model(decoder, block, plan_norm("norm", decoder.hidden, decoder.epsilon), {});
  return {std::move(decoder), "model.layers", std::move(program)};
}

}  // namespace salf::convert
