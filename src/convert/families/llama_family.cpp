// Llama and its relatives: a plain decoder whose attention, biases, windows or norms differ.
#include "convert/families/decoder_parts.h"
#include "convert/families/families.h"

namespace salf::convert {
namespace {

// Qwen3 norms queries and keys head by head before they are rotated.
constexpr const char* kNormedTurns =
    R"TS(    query = self.rotate(self.q_norm.forward(query), cos, sin).transpose(1, 2)  # [B, H, T, C]
    key = self.rotate(self.k_norm.forward(key), cos, sin).transpose(1, 2)      # [B, K, T, C]
    value = value.transpose(1, 2)
)TS";

// OLMo 2 norms queries and keys over all heads at once.
constexpr const char* kNormedProjections =
    R"TS(    query = self.q_norm.forward(self.q_proj.forward(hidden)).view([batch, tokens, self.heads, self.head_dim])
    key = self.k_norm.forward(self.k_proj.forward(hidden)).view([batch, tokens, self.kv_heads, self.head_dim])
    value = self.v_proj.forward(hidden).view([batch, tokens, self.kv_heads, self.head_dim])
)TS";

// OLMo 2's norms stand behind attention and feed-forward, not before them.
constexpr const char* kOlmo2Block = R"TS(
def forward(self, hidden: Tensor, cos: Tensor, sin: Tensor, mask: Optional[Tensor]) -> Tensor:
    hidden = hidden + self.post_attention_layernorm.forward(self.self_attn.forward(hidden, cos, sin, mask))
    return hidden + self.post_feedforward_layernorm.forward(self.mlp.forward(hidden))
)TS";

ModulePlan plan_normed_attention(const DecoderConfig& config, const std::string& pieces,
    std::int64_t query_norm, std::int64_t key_norm) {
  ModulePlan attention = plan_attention(config, attention_source(pieces + attention_result()));
  attention.children.push_back(plan_norm("q_norm", query_norm, config.epsilon));
  attention.children.push_back(plan_norm("k_norm", key_norm, config.epsilon));
  return attention;
}

}  // namespace

Decoder make_llama(DecoderConfig config) {
  const std::string source =
      attention_source(std::string(kProjections) + kTurns + attention_result());
  const ModulePlan block =
      plan_pre_norm_block(config, plan_attention(config, source), plan_feed_forward("mlp", config));
  return make_decoder(std::move(config), block);
}

Decoder read_llama(const HfConfig& config) {
  DecoderConfig decoder = read_decoder_config(config, {});
  decoder.qkv_bias = decoder.output_bias = config.flag("attention_bias", false);
  decoder.feed_forward_bias = config.flag("mlp_bias", false);
  return make_llama(std::move(decoder));
}

Decoder read_mistral(const HfConfig& config) {
  DecoderConfig decoder = read_decoder_config(config, {});
  decoder.window = read_window(config, 4096);
  decoder.windowed.assign(static_cast<std::size_t>(decoder.blocks), decoder.window > 0);
  return make_llama(std::move(decoder));
}

Decoder read_qwen2(const HfConfig& config) {
  DecoderConfig decoder = read_decoder_config(config, {});
  decoder.qkv_bias = true;
  read_upper_windows(config, decoder);
  return make_llama(std::move(decoder));
}

Decoder read_qwen3(const HfConfig& config) {
  DecoderDefaults defaults;
  defaults.head_dim = 128;
  DecoderConfig decoder = read_decoder_config(config, defaults);
  decoder.qkv_bias = decoder.output_bias = config.flag("attention_bias", false);
  read_upper_windows(config, decoder);
  const ModulePlan block = plan_pre_norm_block(decoder,
      plan_normed_attention(
          decoder, std::string(kProjections) + kNormedTurns, decoder.head_dim, decoder.head_dim),
      plan_feed_forward("mlp", decoder));
  return make_decoder(std::move(decoder), block);
}

Decoder read_olmo2(const HfConfig& config) {
  DecoderDefaults defaults;
  defaults.epsilon = 1e-5;
  DecoderConfig decoder = read_decoder_config(config, defaults);
  decoder.qkv_bias = decoder.output_bias = config.flag("attention_bias", false);
  const ModulePlan block{"", "Block", kOlmo2Block, {}, {},
      {plan_normed_attention(decoder, std::string(kNormedProjections) + kTurns,
           decoder.query_rows(), decoder.kv_rows()),
          plan_feed_forward("mlp", decoder),
          plan_norm("post_attention_layernorm", decoder.hidden, decoder.epsilon),
          plan_norm("post_feedforward_layernorm", decoder.hidden, decoder.epsilon)}};
  return make_decoder(std::move(decoder), block);
}

}  // namespace salf::convert
