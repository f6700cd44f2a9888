#include <cmath>

#include "convert/families/decoder_parts.h"
#include "convert/families/families.h"

namespace salf::convert {
namespace {

// The scale is stored as its difference from 1.
constexpr const char* kGemma2Norm = R"TS(
def forward(self, hidden: Tensor) -> Tensor:
    wide = torch.rms_norm(hidden.float(), [hidden.size(-1)], 1.0 + self.weight.float(), self.epsilon)
    return wide.to(hidden.dtype)
)TS";

// Scores are kept within ±softcap by a tanh, which no fused kernel does.
constexpr const char* kCappedResult =
    R"TS(    group = self.heads // self.kv_heads
    query = self.rotate(query, cos, sin).transpose(1, 2)                           # [B, H, T, C]
    key = self.rotate(key, cos, sin).transpose(1, 2).repeat_interleave(group, 1)   # [B, H, T, C]
    value = value.transpose(1, 2).repeat_interleave(group, 1)
    scores = torch.matmul(query, key.transpose(2, 3)) * self.scale                 # [B, H, T, T]
    scores = torch.tanh(scores / self.softcap) * self.softcap
    assert mask is not None, "this attention needs a mask"
    scores = scores.float().masked_fill(torch.logical_not(mask), float("-inf"))
    mixed = torch.matmul(torch.softmax(scores, -1).to(value.dtype), value)
    return self.o_proj.forward(mixed.transpose(1, 2).reshape([batch, tokens, self.heads * self.head_dim]))
)TS";

// Norms before and behind both parts.
constexpr const char* kGemma2Block = R"TS(
def forward(self, hidden: Tensor, cos: Tensor, sin: Tensor, mask: Optional[Tensor]) -> Tensor:
    mixed = self.self_attn.forward(self.input_layernorm.forward(hidden), cos, sin, mask)
    hidden = hidden + self.post_attention_layernorm.forward(mixed)
    fed = self.mlp.forward(self.pre_feedforward_layernorm.forward(hidden))
    return hidden + self.post_feedforward_layernorm.forward(fed)
)TS";

constexpr const char* kCappedCausalModel = R"TS(
def forward(self, input_ids: Tensor, attention_mask: Optional[Tensor] = None) -> Tensor:
    # input_ids [B, T] int64; attention_mask [B, T], 1 or True at tokens, 0 at padding -> logits [B, T, V]
    logits = self.lm_head.forward(self.model.forward(input_ids, attention_mask))
    return torch.tanh(logits / self.softcap) * self.softcap
)TS";

struct Gemma2 {
  double scale = 0.0;              // of the attention's scores
  double attention_softcap = 0.0;  // 0: none
  double final_softcap = 0.0;
};

double read_softcap(const HfConfig& config, const std::string& key, double fallback) {
  if (config.is_null(key)) return 0.0;
  return config.positive(key, fallback);
}

ModulePlan norm(const std::string& member, const DecoderConfig& config) {
  ModulePlan plan = plan_norm(member, config.hidden, config.epsilon);
  plan.source = kGemma2Norm;
  return plan;
}

ModulePlan attention(const DecoderConfig& config, const Gemma2& own) {
  const bool capped = own.attention_softcap > 0.0;
  const std::string rest = capped ? kCappedResult : kTurns + attention_result(", scale=self.scale");
  ModulePlan plan = plan_attention(config, attention_source(kProjections + rest));
  plan.attributes.push_back({"scale", own.scale});
  if (capped) plan.attributes.push_back({"softcap", own.attention_softcap});
  return plan;
}

ModulePlan gemma2_program(const DecoderConfig& config, const Gemma2& own) {
  const ModulePlan block{"", "Block", kGemma2Block, {}, {},
      {attention(config, own), plan_feed_forward("mlp", config), norm("input_layernorm", config),
          norm("post_attention_layernorm", config), norm("pre_feedforward_layernorm", config),
          norm("post_feedforward_layernorm", config)}};
  DecoderStyle style;
  style.embedding_factor = "(" + std::to_string(config.hidden) + " ** 0.5)";
  style.masks_needed = own.attention_softcap > 0.0;
  ModulePlan model = plan_causal_model(config, block, norm("norm", config), style);
  if (own.final_softcap > 0.0) {
    model.source = kCappedCausalModel;
    model.attributes.push_back({"softcap", own.final_softcap});
  }
  return model;
}

}  // namespace

Decoder read_gemma2(const HfConfig& config) {
  DecoderDefaults defaults;
  defaults.tied = true;
  defaults.head_dim = 256;
  defaults.activation_key = "hidden_activation";
  defaults.activation = "gelu_pytorch_tanh";
  DecoderConfig decoder = read_decoder_config(config, defaults);
  // Older files have this key too; transformers reads hidden_activation alone.
  config.ignore_if("hidden_act", decoder.activation);
  decoder.qkv_bias = decoder.output_bias = config.flag("attention_bias", false);
  config.expect_off("use_bidirectional_attention");
  decoder.window = read_window(config, 4096);
  std::vector<bool> alternating;
  for (std::int64_t i = 0; i < decoder.blocks; ++i) alternating.push_back(i % 2 == 0);
  read_layer_types(config, decoder, alternating);

  Gemma2 own;
  own.scale = 1.0 / std::sqrt(config.positive("query_pre_attn_scalar", 256.0));
  own.attention_softcap = read_softcap(config, "attn_logit_softcapping", 50.0);
  own.final_softcap = read_softcap(config, "final_logit_softcapping", 30.0);
  ModulePlan model = gemma2_program(decoder, own);
  return {std::move(decoder), "model.layers", std::move(model)};
}

}  // namespace salf::convert
