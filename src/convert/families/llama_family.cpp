// Llama and its relatives: a plain decoder whose attention, biases, windows or norms differ.
#include "convert/families/decoder_parts.h"
#include "convert/families/families.h"

namespace salf::convert {
namespace {

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

// The branches are scaled before they are added.
constexpr const char* kGraniteBlock = R"TS(
def forward(self, hidden: Tensor, cos: Tensor, sin: Tensor, mask: Optional[Tensor]) -> Tensor:
    mixed = self.self_attn.forward(self.input_layernorm.forward(hidden), cos, sin, mask)
    hidden = hidden + mixed * self.residual_multiplier
    return hidden + self.mlp.forward(self.post_attention_layernorm.forward(hidden)) * self.residual_multiplier
)TS";

// Granite divides the logits. The states before the head are divided instead, so that the head
// stays a plain product.
constexpr const char* kDividedNorm = R"TS(
def forward(self, hidden: Tensor) -> Tensor:
    wide = torch.rms_norm(hidden.float(), [hidden.size(-1)], self.weight.float(), self.epsilon)
    return wide.to(hidden.dtype) / self.logits_scaling
)TS";

ModulePlan plan_normed_attention(const DecoderConfig& config, const std::string& pieces,
    std::int64_t query_norm, std::int64_t key_norm) {
  ModulePlan attention = plan_attention(config, attention_source(pieces + attention_result()));
  attention.children.push_back(plan_norm("q_norm", query_norm, config.epsilon));
  attention.children.push_back(plan_norm("k_norm", key_norm, config.epsilon));
  return attention;
}

DecoderConfig read_biased(const HfConfig& config, const DecoderDefaults& defaults) {
  DecoderConfig decoder = read_decoder_config(config, defaults);
  decoder.qkv_bias = decoder.output_bias = config.flag("attention_bias", false);
  return decoder;
}

Decoder make_olmo(DecoderConfig decoder) {
  const ModulePlan block{"", "Block", kOlmo2Block, {}, {},
      {plan_normed_attention(decoder, std::string(kNormedProjections) + kTurns,
           decoder.query_rows(), decoder.kv_rows()),
          plan_feed_forward("mlp", decoder),
          plan_norm("post_attention_layernorm", decoder.hidden, decoder.epsilon),
          plan_norm("post_feedforward_layernorm", decoder.hidden, decoder.epsilon)}};
  return make_decoder(std::move(decoder), block);
}

// SmolLM3's blocks with rotary positions: all but each fourth, if the file does not say.
std::vector<bool> read_turned_blocks(const HfConfig& config, std::int64_t blocks) {
  const std::int64_t period = config.size("no_rope_layer_interval", 4);
  if (!config.has("no_rope_layers")) return all_but_each(period, blocks);
  std::vector<bool> turned = config.switches("no_rope_layers");
  if (turned.size() < static_cast<std::size_t>(blocks)) {
    config.refuse("no_rope_layers", "expected one for each of the " + std::to_string(blocks) +
                                        " blocks, got " + std::to_string(turned.size()));
  }
  turned.resize(static_cast<std::size_t>(blocks));
  return turned;
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
  DecoderConfig decoder = read_biased(config, {});
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
  DecoderConfig decoder = read_biased(config, defaults);
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
  return make_olmo(read_biased(config, defaults));
}

// OLMo 2 with windows. Blocks with a window turn by the plain frequencies.
Decoder read_olmo3(const HfConfig& config) {
  DecoderDefaults defaults;
  defaults.epsilon = 1e-5;
  defaults.rotary = {RotarySupport::kWhole, 5e5, "rope_theta", "full_attention"};
  DecoderConfig decoder = read_biased(config, defaults);
  decoder.window_rotary =
      read_rotary(config, decoder, {RotarySupport::kWhole, 5e5, nullptr, "sliding_attention"});
  decoder.window = read_window(config, 4096);
  read_layer_types(config, decoder, all_but_each(4, decoder.blocks));
  return make_olmo(std::move(decoder));
}

Decoder read_smollm3(const HfConfig& config) {
  DecoderDefaults defaults;
  defaults.tied = true;
  defaults.rotary.theta = 2e6;
  DecoderConfig decoder = read_biased(config, defaults);
  decoder.feed_forward_bias = config.flag("mlp_bias", false);
  decoder.window = read_window(config, 0);
  const std::vector<bool> turned = read_turned_blocks(config, decoder.blocks);
  const bool windows = config.flag("use_sliding_window", false) && decoder.window > 0;
  std::vector<bool> windowed;
  for (const bool turns : turned) {
    decoder.unturned.push_back(!turns);
    windowed.push_back(windows && !turns);
  }
  read_layer_types(config, decoder, windowed);
  return make_llama(std::move(decoder));
}

Decoder read_granite(const HfConfig& config) {
  DecoderConfig decoder = read_biased(config, {});
  decoder.feed_forward_bias = config.flag("mlp_bias", false);
  ModulePlan attention =
      plan_attention(decoder, attention_source(std::string(kProjections) + kTurns +
                                               attention_result(", scale=self.scale")));
  attention.attributes.push_back({"scale", config.positive("attention_multiplier", 1.0)});
  ModulePlan block =
      plan_pre_norm_block(decoder, std::move(attention), plan_feed_forward("mlp", decoder));
  block.source = kGraniteBlock;
  block.attributes.push_back({"residual_multiplier", config.positive("residual_multiplier", 1.0)});
  ModulePlan norm = plan_norm("norm", decoder.hidden, decoder.epsilon);
  norm.class_name = "DividedNorm";
  norm.source = kDividedNorm;
  norm.attributes.push_back({"logits_scaling", config.positive("logits_scaling", 1.0)});
  DecoderStyle style;
  style.embedding_factor = "self.embedding_multiplier";
  ModulePlan program = plan_causal_model(decoder, block, norm, style);
  program.children.front().attributes.push_back(
      {"embedding_multiplier", config.positive("embedding_multiplier", 1.0)});
  return {std::move(decoder), "model.layers", std::move(program)};
}

}  // namespace salf::convert
