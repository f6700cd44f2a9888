#include "convert/families/decoder_parts.h"

#include <map>
#include <utility>

#include "core/text.h"

namespace salf::convert {

namespace {

constexpr const char* kRotate = R"TS(
def rotate(self, x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    # x [B, T, H or K, C]. Element i turns with element i + C/2: the roll brings the partner, and the table
    # `sin` carries the sign.
    partner = x.roll([self.head_dim // 2], [-1])
    return torch.addcmul(x * cos, partner, sin).to(x.dtype)
)TS";

}  // namespace

const char* const kAttentionStart = R"TS(
def forward(self, hidden: Tensor, cos: Tensor, sin: Tensor, mask: Optional[Tensor]) -> Tensor:
    batch, tokens = hidden.size(0), hidden.size(1)
)TS";

const char* const kProjections =
    R"TS(    query = self.q_proj.forward(hidden).view([batch, tokens, self.heads, self.head_dim])
    key = self.k_proj.forward(hidden).view([batch, tokens, self.kv_heads, self.head_dim])
    value = self.v_proj.forward(hidden).view([batch, tokens, self.kv_heads, self.head_dim])
)TS";

const char* const kTurns =
    R"TS(    query = self.rotate(query, cos, sin).transpose(1, 2)  # [B, H, T, C]
    key = self.rotate(key, cos, sin).transpose(1, 2)      # [B, K, T, C]
    value = value.transpose(1, 2)
)TS";

const char* const kNormedTurns =
    R"TS(    query = self.rotate(self.q_norm.forward(query), cos, sin).transpose(1, 2)  # [B, H, T, C]
    key = self.rotate(self.k_norm.forward(key), cos, sin).transpose(1, 2)      # [B, K, T, C]
    value = value.transpose(1, 2)
)TS";

std::string attention_result(const std::string& scale) {
  return R"TS(    if mask is None:
        mixed = torch.scaled_dot_product_attention(query, key, value, is_causal=True)TS" +
         scale + R"TS(, enable_gqa=True)
    else:
        mixed = torch.scaled_dot_product_attention(query, key, value, attn_mask=mask)TS" +
         scale +
         R"TS(, enable_gqa=True)
    return self.o_proj.forward(mixed.transpose(1, 2).reshape([batch, tokens, self.heads * self.head_dim]))
)TS";
}

std::string attention_source(const std::string& pieces) {
  return std::string(kRotate) + kAttentionStart + pieces;
}

// The fast kernels take no mask, and right padding needs none, since no token looks to its right.
const char* const kVisibleTokens = R"TS(
def padded_on_the_left(self, input_ids: Tensor, attention_mask: Optional[Tensor]) -> Optional[Tensor]:
    # [B, T] bool, True at tokens, where padding stands before a token; otherwise None.
    if attention_mask is None:
        return None
    assert attention_mask.dim() == 2, "attention_mask: expected [batch, tokens], like input_ids"
    assert attention_mask.size(0) == input_ids.size(0), "attention_mask: expected as many rows as input_ids"
    assert attention_mask.size(1) == input_ids.size(1), "attention_mask: expected as many tokens as input_ids"
    real = torch.ne(attention_mask, 0)
    starts_after_padding = torch.logical_and(real[:, 1:], torch.logical_not(real[:, :-1]))
    if not bool(torch.any(starts_after_padding)):
        return None
    return real

def visible_tokens(self, input_ids: Tensor, attention_mask: Optional[Tensor], window: int, needed: bool) -> Optional[Tensor]:
    # None: plain causal order, unless a mask is needed. Otherwise bool [T, T] or [B, 1, T, T], True where a query
    # (row) may look at a key (column): at itself and up to window - 1 tokens before it, or at all if window is 0.
    tokens = input_ids.size(1)
    narrow = window > 0 and tokens > window
    real = self.padded_on_the_left(input_ids, attention_mask)
    if real is None and not narrow and not needed:
        return None
    key = torch.arange(tokens, device=input_ids.device)
    query = key.unsqueeze(1)
    visible = torch.ge(query, key)
    if narrow:
        visible = torch.logical_and(visible, torch.lt(query - key, window))
    if real is not None:
        # Padding looks at itself: a query with nothing to look at would make NaN.
        visible = torch.logical_and(visible, torch.logical_or(real.unsqueeze(1).unsqueeze(1), torch.eq(query, key)))
    return visible
)TS";

namespace {

constexpr const char* kRotaryTables = R"TS(
def rotary_tables(self, input_ids: Tensor, frequencies: List[float], scale: float) -> Tuple[Tensor, Tensor]:
    # cos and signed sin of each position's angles, both [T, 1, turned elements of a head] float32. Attention sees
    # differences of positions only, so left padding needs no positions of its own.
    positions = torch.arange(input_ids.size(1), device=input_ids.device).float()
    angles = torch.outer(positions, torch.tensor(frequencies, device=input_ids.device).float()).unsqueeze(1)
    cos, sin = torch.cos(angles) * scale, torch.sin(angles) * scale
    return torch.cat([cos, cos], -1), torch.cat([-sin, sin], -1)
)TS";

constexpr const char* kEmbedding = R"TS(
def forward(self, input_ids: Tensor) -> Tensor:
    return torch.embedding(self.weight, input_ids)
)TS";

constexpr const char* kLinear = R"TS(
def forward(self, x: Tensor) -> Tensor:
    return torch.linear(x, self.weight)
)TS";

constexpr const char* kLinearWithBias = R"TS(
def forward(self, x: Tensor) -> Tensor:
    return torch.linear(x, self.weight, self.bias)
)TS";

// In float32 whatever the model's dtype, as transformers does.
constexpr const char* kNorm = R"TS(
def forward(self, hidden: Tensor) -> Tensor:
    wide = torch.rms_norm(hidden.float(), [hidden.size(-1)], self.weight.float(), self.epsilon)
    return wide.to(hidden.dtype)
)TS";

// [B, T, D] -> [B, T, D]
constexpr const char* kPreNormBlock = R"TS(
def forward(self, hidden: Tensor, cos: Tensor, sin: Tensor, mask: Optional[Tensor]) -> Tensor:
    hidden = hidden + self.self_attn.forward(self.input_layernorm.forward(hidden), cos, sin, mask)
    return hidden + self.mlp.forward(self.post_attention_layernorm.forward(hidden))
)TS";

constexpr const char* kCausalModel = R"TS(
def forward(self, input_ids: Tensor, attention_mask: Optional[Tensor] = None) -> Tensor:
    # input_ids [B, T] int64; attention_mask [B, T], 1 or True at tokens, 0 at padding -> logits [B, T, V]
    return self.lm_head.forward(self.BODY.forward(input_ids, attention_mask))
)TS";

// transformers/activations.py; its names of the tanh approximation differ in rounding only.
const std::map<std::string, std::string>& activations() {
  static const std::map<std::string, std::string> kKnown = {{"gelu", "torch.gelu(X)"},
      {"gelu_fast", "torch.gelu(X, approximate=\"tanh\")"},
      {"gelu_new", "torch.gelu(X, approximate=\"tanh\")"},
      {"gelu_pytorch_tanh", "torch.gelu(X, approximate=\"tanh\")"}, {"relu", "torch.relu(X)"},
      {"silu", "torch.silu(X)"}, {"swish", "torch.silu(X)"}};
  return kKnown;
}

std::string replaced(std::string text, const std::string& word, const std::string& by) {
  const std::size_t at = text.find(word);
  return at == std::string::npos ? text : text.replace(at, word.size(), by);
}

std::string mask_call(const char* name, std::int64_t window, bool needed) {
  return std::string("    ") + name + " = self.visible_tokens(input_ids, attention_mask, " +
         std::to_string(window) + (needed ? ", True)\n" : ", False)\n");
}

// The statement that makes the tables "PREFIXcos" and "PREFIXsin", whose constants become
// attributes of the decoder called STEM_….
std::string tables_call(const RotaryConfig& rotary, const std::string& prefix,
    const std::string& stem, std::vector<PlannedAttribute>& attributes) {
  const std::string own = "self." + stem;
  attributes.push_back({stem + "_frequencies", rotary.frequencies});
  std::string frequencies = own + "_frequencies";
  // LongRoPE: inputs beyond the context of the first training turn by the second set, whichever
  // their rows' own lengths.
  const bool two_sets = !rotary.long_frequencies.empty();
  if (two_sets) {
    attributes.push_back({stem + "_long_frequencies", rotary.long_frequencies});
    attributes.push_back({"short_context", rotary.short_context});
    frequencies =
        own + "_long_frequencies if input_ids.size(1) > self.short_context else " + frequencies;
  }
  const bool scaled = two_sets || rotary.scale != 1.0;
  if (scaled) attributes.push_back({stem + "_scale", rotary.scale});
  return "    " + prefix + "cos, " + prefix + "sin = self.rotary_tables(input_ids, " + frequencies +
         (scaled ? ", " + own + "_scale)\n" : ", 1.0)\n");
}

// One entry of a list over blocks, where an empty list means false.
bool is_set(const std::vector<bool>& blocks, std::int64_t block) {
  return !blocks.empty() && blocks[static_cast<std::size_t>(block)];
}

std::string block_call(const DecoderConfig& config, std::int64_t block) {
  const bool windowed = is_set(config.windowed, block);
  std::string tables = windowed && config.window_rotary ? "window_" : "";
  if (is_set(config.unturned, block)) tables = "unturned_";
  return "    hidden = getattr(self.layers, \"" + std::to_string(block) + "\").forward(hidden, " +
         tables + "cos, " + tables + "sin, " + (windowed ? "window)\n" : "mask)\n");
}

std::string decoder_source(const DecoderConfig& config, const DecoderStyle& style,
    std::vector<PlannedAttribute>& attributes) {
  std::string calls;
  bool some_see_all = false;
  bool some_are_windowed = false;
  bool some_are_unturned = false;
  for (std::int64_t i = 0; i < config.blocks; ++i) {
    (is_set(config.windowed, i) ? some_are_windowed : some_see_all) = true;
    some_are_unturned = some_are_unturned || is_set(config.unturned, i);
    calls += block_call(config, i);
  }
  std::string source = std::string(kRotaryTables) + kVisibleTokens + R"TS(
def forward(self, input_ids: Tensor, attention_mask: Optional[Tensor] = None) -> Tensor:
)TS";
  source += tables_call(config.rotary, "", "rotary", attributes);
  if (config.window_rotary)
    source += tables_call(*config.window_rotary, "window_", "window", attributes);
  // Tables of no turn, so that all blocks have one class.
  if (some_are_unturned)
    source += "    unturned_cos, unturned_sin = torch.ones_like(cos), torch.zeros_like(sin)\n";
  if (some_see_all) source += mask_call("mask", 0, style.masks_needed);
  if (some_are_windowed) source += mask_call("window", config.window, style.masks_needed);
  source += "    hidden = self.embed_tokens.forward(input_ids)";
  if (!style.embedding_factor.empty()) source += " * " + style.embedding_factor;
  return source + "\n" + calls + "    return self.norm.forward(hidden)\n";
}

}  // namespace

std::optional<std::string> activation_expression(
    const std::string& name, const std::string& argument) {
  const auto found = activations().find(name);
  if (found == activations().end()) return std::nullopt;
  return replaced(found->second, "X", argument);
}

std::string known_activations() {
  std::vector<std::string> names;
  for (const auto& [name, unused] : activations()) names.push_back(name);
  return core::join(names, ", ");
}

ModulePlan plan_linear(const std::string& member, std::int64_t out, std::int64_t in, bool bias) {
  ModulePlan plan{
      member, bias ? "LinearWithBias" : "Linear", bias ? kLinearWithBias : kLinear, {}, {}, {}};
  plan.parameters.push_back({"weight", {out, in}, ""});
  if (bias) plan.parameters.push_back({"bias", {out}, ""});
  return plan;
}

ModulePlan plan_norm(const std::string& member, std::int64_t size, double epsilon) {
  return {member, "Norm", kNorm, {{"weight", {size}, ""}}, {{"epsilon", epsilon}}, {}};
}

ModulePlan plan_embedding(const std::string& member, std::int64_t rows, std::int64_t hidden) {
  return {member, "Embedding", kEmbedding, {{"weight", {rows, hidden}, ""}}, {}, {}};
}

ModulePlan plan_feed_forward(const std::string& member, const DecoderConfig& config) {
  const std::string gated = *activation_expression(config.activation, "self.gate_proj.forward(x)");
  const std::string source =
      "\ndef forward(self, x: Tensor) -> Tensor:\n    return self.down_proj.forward(" + gated +
      " * self.up_proj.forward(x))\n";
  const bool bias = config.feed_forward_bias;
  return {member, "FeedForward", source, {}, {},
      {plan_linear("gate_proj", config.feed_forward, config.hidden, bias),
          plan_linear("up_proj", config.feed_forward, config.hidden, bias),
          plan_linear("down_proj", config.hidden, config.feed_forward, bias)}};
}

ModulePlan plan_attention(const DecoderConfig& config, const std::string& source) {
  return {"self_attn", "Attention", source, {},
      {{"heads", config.heads}, {"kv_heads", config.kv_heads}, {"head_dim", config.head_dim}},
      {plan_linear("q_proj", config.query_rows(), config.hidden, config.qkv_bias),
          plan_linear("k_proj", config.kv_rows(), config.hidden, config.qkv_bias),
          plan_linear("v_proj", config.kv_rows(), config.hidden, config.qkv_bias),
          plan_linear("o_proj", config.hidden, config.query_rows(), config.output_bias)}};
}

ModulePlan plan_pre_norm_block(
    const DecoderConfig& config, ModulePlan attention, ModulePlan feed_forward) {
  return {"", "Block", kPreNormBlock, {}, {},
      {std::move(attention), std::move(feed_forward),
          plan_norm("input_layernorm", config.hidden, config.epsilon),
          plan_norm("post_attention_layernorm", config.hidden, config.epsilon)}};
}

ModulePlan plan_causal_model(const DecoderConfig& config, const ModulePlan& block,
    const ModulePlan& norm, const DecoderStyle& style) {
  ModulePlan layers{"layers", "Blocks", "", {}, {}, {}};
  for (std::int64_t i = 0; i < config.blocks; ++i) {
    layers.children.push_back(block);
    layers.children.back().member = std::to_string(i);
  }
  ModulePlan decoder{"model", "Decoder", "", {}, {}, {}};
  decoder.source = decoder_source(config, style, decoder.attributes);
  decoder.children = {
      plan_embedding("embed_tokens", config.vocabulary, config.hidden), std::move(layers), norm};
  return plan_head(config, std::move(decoder), "model.embed_tokens.weight");
}

Decoder make_decoder(DecoderConfig config, const ModulePlan& block) {
  ModulePlan program =
      plan_causal_model(config, block, plan_norm("norm", config.hidden, config.epsilon), {});
  return {std::move(config), "model.layers", std::move(program)};
}

ModulePlan plan_head(const DecoderConfig& config, ModulePlan body, const std::string& embedding) {
  ModulePlan model{"", "CausalModel", replaced(kCausalModel, "BODY", body.member), {}, {}, {}};
  ModulePlan head = plan_linear("lm_head", config.vocabulary, config.hidden);
  // Tied: one tensor under both paths, stored once.
  if (config.tied) head.parameters.front().tied_to = embedding;
  model.children = {std::move(body), std::move(head)};
  return model;
}

}  // namespace salf::convert
