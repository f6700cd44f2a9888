#include <cmath>

#include "convert/families/decoder_parts.h"
#include "convert/families/families.h"

namespace salf::convert {
namespace {

// The scale is stored as its difference from 1.
constexpr const char* kGemmaNorm = R"TS(
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
constexpr const char* kGemmaBlock = R"TS(
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

struct Gemma {
  double scale = 0.0;              // of the attention's scores
  double attention_softcap = 0.0;  // 0: none
  double final_softcap = 0.0;
  bool query_norms = false;  // Gemma 3 norms queries and keys head by head before they are rotated
};

double read_softcap(const HfConfig& config, const std::string& key, double fallback) {
  if (config.is_null(key)) return 0.0;
  return config.positive(key, fallback);
}

ModulePlan norm(const std::string& member, const DecoderConfig& config, std::int64_t size) {
  ModulePlan plan = plan_norm(member, size, config.epsilon);
  plan.source = kGemmaNorm;
  return plan;
}

ModulePlan norm(const std::string& member, const DecoderConfig& config) {
  return norm(member, config, config.hidden);
}

ModulePlan attention(const DecoderConfig& config, const Gemma& own) {
  const bool capped = own.attention_softcap > 0.0;
  const std::string turns = own.query_norms ? kNormedTurns : kTurns;
  const std::string rest = capped ? kCappedResult : turns + attention_result(", scale=self.scale");
  ModulePlan plan = plan_attention(config, attention_source(kProjections + rest));
  plan.attributes.push_back({"scale", own.scale});
  if (capped) plan.attributes.push_back({"softcap", own.attention_softcap});
  if (own.query_norms) {
    plan.children.push_back(norm("q_norm", config, config.head_dim));
    plan.children.push_back(norm("k_norm", config, config.head_dim));
  }
  return plan;
}

ModulePlan gemma_program(const DecoderConfig& config, const Gemma& own) {
  const ModulePlan block{"", "Block", kGemmaBlock, {}, {},
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

// What both generations have. A window in every block but each `period`-th, if the file does not
// say.
DecoderConfig read_gemma(
    const HfConfig& config, const RotaryKeys& rotary, std::int64_t period, Gemma& own) {
  DecoderDefaults defaults;
  defaults.tied = true;
  defaults.head_dim = 256;
  defaults.activation_key = "hidden_activation";
  defaults.activation = "gelu_pytorch_tanh";
  defaults.rotary = rotary;
  DecoderConfig decoder = read_decoder_config(config, defaults);
  // Older files have this key too; transformers reads hidden_activation alone.
  config.ignore_if("hidden_act", decoder.activation);
  decoder.qkv_bias = decoder.output_bias = config.flag("attention_bias", false);
  config.expect_off("use_bidirectional_attention");
  decoder.window = read_window(config, 4096);
  read_layer_types(config, decoder, all_but_each(period, decoder.blocks));
  own.scale = 1.0 / std::sqrt(config.positive("query_pre_attn_scalar", 256.0));
  return decoder;
}

Decoder make_gemma(DecoderConfig config, const Gemma& own) {
  ModulePlan model = gemma_program(config, own);
  return {std::move(config), "model.layers", std::move(model)};
}

}  // namespace

Decoder read_gemma2(const HfConfig& config) {
  Gemma own;
  DecoderConfig decoder = read_gemma(config, {}, 2, own);
  own.attention_softcap = read_softcap(config, "attn_logit_softcapping", 50.0);
  own.final_softcap = read_softcap(config, "final_logit_softcapping", 30.0);
  return make_gemma(std::move(decoder), own);
}

// transformers does not read attn_logit_softcapping here.
Decoder read_gemma3(const HfConfig& config) {
  config.ignore("_sliding_window_pattern");
  const std::int64_t period = config.size("sliding_window_pattern", 6);
  Gemma own;
  own.query_norms = true;
  own.final_softcap = config.positive("final_logit_softcapping", 0.0);
  DecoderConfig decoder =
      read_gemma(config, {RotarySupport::kWhole, 1e6, "rope_theta", "full_attention"}, period, own);
  decoder.window_rotary = read_rotary(
      config, decoder, {RotarySupport::kWhole, 1e4, "rope_local_base_freq", "sliding_attention"});
  return make_gemma(std::move(decoder), own);
}

}  // namespace salf::convert
