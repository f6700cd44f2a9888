#include "convert/families/decoder_parts.h"
#include "convert/families/families.h"

namespace salf::convert {
namespace {

// Only the first elements of a head may turn.
constexpr const char* kPartialRotate = R"TS(
def rotate(self, x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    # x [B, T, H or K, C]. Of the first elements, as many as the tables have, i turns with i + half of them: the
    # roll brings the partner, and the table `sin` carries the sign. The rest stays.
    turned = cos.size(-1)
    first = x.narrow(-1, 0, turned)
    first = torch.addcmul(first * cos, first.roll([turned // 2], [-1]), sin).to(x.dtype)
    return torch.cat([first, x.narrow(-1, turned, self.head_dim - turned)], -1)
)TS";

// One projection for queries, keys and values.
constexpr const char* kOneProjection =
    R"TS(    rows = self.qkv_proj.forward(hidden).view([batch, tokens, self.heads + 2 * self.kv_heads, self.head_dim])
    query = self.rotate(rows.narrow(2, 0, self.heads), cos, sin).transpose(1, 2)           # [B, H, T, C]
    key = self.rotate(rows.narrow(2, self.heads, self.kv_heads), cos, sin).transpose(1, 2)  # [B, K, T, C]
    value = rows.narrow(2, self.heads + self.kv_heads, self.kv_heads).transpose(1, 2)
)TS";

// One projection for the gate and what it lets through.
std::string feed_forward_source(const std::string& activation) {
  return R"TS(
def forward(self, x: Tensor) -> Tensor:
    both = self.gate_up_proj.forward(x)
    half = both.size(-1) // 2
    gate, up = both.narrow(-1, 0, half), both.narrow(-1, half, half)
    return self.down_proj.forward()TS" +
         *activation_expression(activation, "gate") + " * up)\n";
}

ModulePlan phi3_program(const DecoderConfig& config) {
  ModulePlan attention{"self_attn", "Attention",
      std::string(kPartialRotate) + kAttentionStart + kOneProjection + attention_result(), {},
      {{"heads", config.heads}, {"kv_heads", config.kv_heads}, {"head_dim", config.head_dim}},
      {plan_linear("qkv_proj", config.query_rows() + 2 * config.kv_rows(), config.hidden),
          plan_linear("o_proj", config.hidden, config.query_rows())}};
  ModulePlan feed_forward{"mlp", "FeedForward", feed_forward_source(config.activation), {}, {},
      {plan_linear("gate_up_proj", 2 * config.feed_forward, config.hidden),
          plan_linear("down_proj", config.hidden, config.feed_forward)}};
  const ModulePlan block =
      plan_pre_norm_block(config, std::move(attention), std::move(feed_forward));
  return plan_causal_model(config, block, plan_norm("norm", config.hidden, config.epsilon), {});
}

}  // namespace

Decoder read_phi3(const HfConfig& config) {
  DecoderDefaults defaults;
  defaults.epsilon = 1e-5;
  defaults.rotary.support = RotarySupport::kPartialAndLong;
  DecoderConfig decoder = read_decoder_config(config, defaults);
  decoder.window = read_window(config, 0);
  decoder.windowed.assign(static_cast<std::size_t>(decoder.blocks), decoder.window > 0);
  ModulePlan model = phi3_program(decoder);
  return {std::move(decoder), "model.layers", std::move(model)};
}

}  // namespace salf::convert
