#include "convert/families/decoder_parts.h"
#include "convert/families/families.h"

namespace salf::convert {
namespace {

// Grouped-query attention. Without a mask the kernel's own causal order is used.
constexpr const char* kLlamaAttention = R"TS(
def forward(self, hidden: Tensor, cos: Tensor, sin: Tensor, mask: Optional[Tensor]) -> Tensor:
    batch, tokens = hidden.size(0), hidden.size(1)
    query = self.q_proj.forward(hidden).view([batch, tokens, self.heads, self.head_dim])
    key = self.k_proj.forward(hidden).view([batch, tokens, self.kv_heads, self.head_dim])
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

Decoder make(DecoderConfig config) {
  ModulePlan program = llama_program(config);
  return {std::move(config), "model.layers", std::move(program)};
}

}  // namespace

ModulePlan llama_program(const DecoderConfig& config) {
  const ModulePlan block =
      plan_pre_norm_block(config, plan_attention(config, std::string(kRotate) + kLlamaAttention),
          plan_feed_forward("mlp", config));
  return plan_causal_model(config, block, plan_norm("norm", config.hidden, config.epsilon), {});
}

Decoder read_llama(const HfConfig& config) {
  DecoderConfig decoder = read_decoder_config(config, {});
  decoder.qkv_bias = decoder.output_bias = config.flag("attention_bias", false);
  decoder.feed_forward_bias = config.flag("mlp_bias", false);
  return make(std::move(decoder));
}

Decoder read_mistral(const HfConfig& config) {
  DecoderConfig decoder = read_decoder_config(config, {});
  decoder.window = read_window(config, 4096);
  decoder.windowed.assign(static_cast<std::size_t>(decoder.blocks), decoder.window > 0);
  return make(std::move(decoder));
}

Decoder read_qwen2(const HfConfig& config) {
  DecoderConfig decoder = read_decoder_config(config, {});
  decoder.qkv_bias = true;
  read_upper_windows(config, decoder);
  return make(std::move(decoder));
}

}  // namespace salf::convert
