#include <cmath>

#include "convert/families/decoder_parts.h"
#include "convert/families/families.h"

namespace salf::convert {
namespace {

// The weight is [in, out], as transformers' Conv1D keeps it.
constexpr const char* kConv1D = R"TS(
def forward(self, x: Tensor) -> Tensor:
    rows = torch.addmm(self.bias, x.reshape([-1, self.weight.size(0)]), self.weight)
    return rows.view([x.size(0), x.size(1), self.weight.size(1)])
)TS";

constexpr const char* kLayerNorm = R"TS(
def forward(self, hidden: Tensor) -> Tensor:
    return torch.layer_norm(hidden, [hidden.size(-1)], self.weight, self.bias, self.epsilon)
)TS";

// A learned vector a position. Rows padded on the left count from their first token (generation).
constexpr const char* kPositions = R"TS(
def forward(self, input_ids: Tensor, attention_mask: Optional[Tensor]) -> Tensor:
    # [T, D] or [B, T, D]
    tokens = input_ids.size(1)
    assert tokens <= self.weight.size(0), "the input is longer than the model's context of " + str(self.weight.size(0)) + " tokens"
    if attention_mask is None:
        return self.weight.narrow(0, 0, tokens)
    positions = torch.cumsum(torch.ne(attention_mask, 0), 1) - 1
    return torch.index_select(self.weight, 0, positions.clamp(0).flatten()).view([input_ids.size(0), tokens, -1])
)TS";

constexpr const char* kGpt2Attention = R"TS(
def forward(self, hidden: Tensor, mask: Optional[Tensor]) -> Tensor:
    batch, tokens = hidden.size(0), hidden.size(1)
    rows = self.c_attn.forward(hidden).view([batch, tokens, 3, self.heads, self.head_dim])
    query, key, value = rows.permute([2, 0, 3, 1, 4]).unbind(0)  # [B, H, T, C] each
    if mask is None:
        mixed = torch.scaled_dot_product_attention(query, key, value, is_causal=True, scale=self.scale)
    else:
        mixed = torch.scaled_dot_product_attention(query, key, value, attn_mask=mask, scale=self.scale)
    return self.c_proj.forward(mixed.transpose(1, 2).reshape([batch, tokens, self.heads * self.head_dim]))
)TS";

constexpr const char* kGpt2Block = R"TS(
def forward(self, hidden: Tensor, mask: Optional[Tensor]) -> Tensor:
    hidden = hidden + self.attn.forward(self.ln_1.forward(hidden), mask)
    return hidden + self.mlp.forward(self.ln_2.forward(hidden))
)TS";

std::string gpt2_source(std::int64_t blocks) {
  std::string source = std::string(kVisibleTokens) + R"TS(
def forward(self, input_ids: Tensor, attention_mask: Optional[Tensor] = None) -> Tensor:
    mask = self.visible_tokens(input_ids, attention_mask, 0, False)
    hidden = self.wte.forward(input_ids) + self.wpe.forward(input_ids, attention_mask)
)TS";
  for (std::int64_t i = 0; i < blocks; ++i) {
    source += "    hidden = getattr(self.h, \"" + std::to_string(i) + "\").forward(hidden, mask)\n";
  }
  return source + "    return self.ln_f.forward(hidden)\n";
}

ModulePlan conv(const std::string& member, std::int64_t in, std::int64_t out) {
  return {member, "Conv1D", kConv1D, {{"weight", {in, out}, ""}, {"bias", {out}, ""}}, {}, {}};
}

ModulePlan layer_norm(const std::string& member, const DecoderConfig& config) {
  return {member, "LayerNorm", kLayerNorm,
      {{"weight", {config.hidden}, ""}, {"bias", {config.hidden}, ""}},
      {{"epsilon", config.epsilon}}, {}};
}

ModulePlan feed_forward(const DecoderConfig& config) {
  const std::string source =
      "\ndef forward(self, x: Tensor) -> Tensor:\n    return self.c_proj.forward(" +
      *activation_expression(config.activation, "self.c_fc.forward(x)") + ")\n";
  return {"mlp", "FeedForward", source, {}, {},
      {conv("c_fc", config.hidden, config.feed_forward),
          conv("c_proj", config.feed_forward, config.hidden)}};
}

ModulePlan block(const DecoderConfig& config, std::int64_t index, double scale) {
  const ModulePlan attention{"attn", "Attention", kGpt2Attention, {},
      {{"heads", config.heads}, {"head_dim", config.head_dim}, {"scale", scale}},
      {conv("c_attn", config.hidden, 3 * config.hidden),
          conv("c_proj", config.hidden, config.hidden)}};
  return {std::to_string(index), "Block", kGpt2Block, {}, {},
      {layer_norm("ln_1", config), attention, layer_norm("ln_2", config), feed_forward(config)}};
}

DecoderConfig read_sizes(const HfConfig& config) {
  DecoderConfig decoder;
  decoder.architecture = config.text("model_type", "");
  decoder.blocks = config.blocks("n_layer");
  decoder.hidden = config.size("n_embd");
  decoder.heads = decoder.kv_heads = config.size("n_head");
  if (decoder.hidden % decoder.heads != 0) {
    config.refuse("n_head", "expected a divisor of n_embd, " + std::to_string(decoder.hidden) +
                                ", got " + std::to_string(decoder.heads));
  }
  decoder.head_dim = decoder.hidden / decoder.heads;
  decoder.feed_forward = config.size("n_inner", 4 * decoder.hidden);
  decoder.vocabulary = config.size("vocab_size");
  decoder.context = config.size("n_positions", 1024);
  config.ignore("n_ctx");  // n_positions under its old name
  decoder.epsilon = config.positive("layer_norm_epsilon", 1e-5);
  decoder.activation = read_activation(config, "activation_function", "gelu_new");
  decoder.tied = config.tied(true);
  config.expect_off("add_cross_attention");
  config.ignore("reorder_and_upcast_attn");  // the same numbers in float32
  return decoder;
}

}  // namespace

Decoder read_gpt2(const HfConfig& config) {
  DecoderConfig decoder = read_sizes(config);
  const double scale = config.flag("scale_attn_weights", true)
                           ? 1.0 / std::sqrt(static_cast<double>(decoder.head_dim))
                           : 1.0;
  const bool by_block = config.flag("scale_attn_by_inverse_layer_idx", false);

  ModulePlan blocks{"h", "Blocks", "", {}, {}, {}};
  for (std::int64_t i = 0; i < decoder.blocks; ++i) {
    blocks.children.push_back(
        block(decoder, i, by_block ? scale / static_cast<double>(i + 1) : scale));
  }
  ModulePlan body{"transformer", "Decoder", gpt2_source(decoder.blocks), {}, {}, {}};
  ModulePlan positions{
      "wpe", "Positions", kPositions, {{"weight", {decoder.context, decoder.hidden}, ""}}, {}, {}};
  body.children = {plan_embedding("wte", decoder.vocabulary, decoder.hidden), std::move(positions),
      std::move(blocks), layer_norm("ln_f", decoder)};
  ModulePlan model = plan_head(decoder, std::move(body), "transformer.wte.weight");
  return {std::move(decoder), "transformer.h", std::move(model)};
}

}  // namespace salf::convert
