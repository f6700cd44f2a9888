#include "llama_source.h"

namespace salf::convert::llama_source {

// The module paths are those of transformers' LlamaForCausalLM. Shapes:
//   B batch  T tokens  D hidden  H query heads  K key/value heads  C size of a head  F feed-forward  V vocabulary

const char* const kEmbedding = R"TS(
def forward(self, input_ids: Tensor) -> Tensor:
    return torch.embedding(self.weight, input_ids)
)TS";

const char* const kLinear = R"TS(
def forward(self, x: Tensor) -> Tensor:
    return torch.linear(x, self.weight)
)TS";

const char* const kLinearWithBias = R"TS(
def forward(self, x: Tensor) -> Tensor:
    return torch.linear(x, self.weight, self.bias)
)TS";

// Root mean square norm. In float32 whatever the model's dtype, as transformers does.
const char* const kNorm = R"TS(
def forward(self, hidden: Tensor) -> Tensor:
    wide = torch.rms_norm(hidden.float(), [hidden.size(-1)], self.weight.float(), self.epsilon)
    return wide.to(hidden.dtype)
)TS";

// Grouped-query attention. Without a mask the kernel's own causal order is used: the fast kernels take no
// mask, and right padding needs none, since no token looks to its right.
const char* const kAttention = R"TS(
def rotate(self, x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    # x [B, T, H or K, C]. Element i turns with element i + C/2: the roll brings the partner, and the table
    # `sin` carries the sign.
    partner = x.roll([self.head_dim // 2], [-1])
    return torch.addcmul(x * cos, partner, sin).to(x.dtype)

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

const char* const kFeedForward = R"TS(
def forward(self, x: Tensor) -> Tensor:
    return self.down_proj.forward(torch.silu(self.gate_proj.forward(x)) * self.up_proj.forward(x))
)TS";

// [B, T, D] -> [B, T, D]
const char* const kBlock = R"TS(
def forward(self, hidden: Tensor, cos: Tensor, sin: Tensor, mask: Optional[Tensor]) -> Tensor:
    hidden = hidden + self.self_attn.forward(self.input_layernorm.forward(hidden), cos, sin, mask)
    return hidden + self.mlp.forward(self.post_attention_layernorm.forward(hidden))
)TS";

const char* const kCausalModel = R"TS(
def forward(self, input_ids: Tensor, attention_mask: Optional[Tensor] = None) -> Tensor:
    # input_ids [B, T] int64; attention_mask [B, T], 1 or True at tokens, 0 at padding -> logits [B, T, V]
    return self.lm_head.forward(self.model.forward(input_ids, attention_mask))
)TS";

namespace {

constexpr const char* kDecoderHead = R"TS(
def rotary_tables(self, input_ids: Tensor) -> Tuple[Tensor, Tensor]:
    # cos and signed sin of each position's angles, both [T, 1, C] float32. Attention sees differences of
    # positions only, so left padding needs no positions of its own.
    frequencies = torch.tensor(self.rotary_frequencies, device=input_ids.device).float()
    positions = torch.arange(input_ids.size(1), device=input_ids.device).float()
    angles = torch.outer(positions, frequencies).unsqueeze(1)
    cos, sin = torch.cos(angles), torch.sin(angles)
    return torch.cat([cos, cos], -1), torch.cat([-sin, sin], -1)

def visible_tokens(self, input_ids: Tensor, attention_mask: Optional[Tensor]) -> Optional[Tensor]:
    # None: plain causal order. Otherwise [B, 1, T, T] bool, True where a query (row) may look at a key (column).
    if attention_mask is None:
        return None
    assert attention_mask.dim() == 2, "attention_mask: expected [batch, tokens], like input_ids"
    assert attention_mask.size(0) == input_ids.size(0), "attention_mask: expected as many rows as input_ids"
    assert attention_mask.size(1) == input_ids.size(1), "attention_mask: expected as many tokens as input_ids"
    real = torch.ne(attention_mask, 0)
    starts_after_padding = torch.logical_and(real[:, 1:], torch.logical_not(real[:, :-1]))
    if not bool(torch.any(starts_after_padding)):
        return None
    key = torch.arange(input_ids.size(1), device=input_ids.device)
    query = key.unsqueeze(1)
    # Padding looks at itself: a query with nothing to look at would make NaN.
    visible = torch.logical_or(real.unsqueeze(1).unsqueeze(1), torch.eq(query, key))
    return torch.logical_and(visible, torch.ge(query, key))

def forward(self, input_ids: Tensor, attention_mask: Optional[Tensor] = None) -> Tensor:
    cos, sin = self.rotary_tables(input_ids)
    mask = self.visible_tokens(input_ids, attention_mask)
    hidden = self.embed_tokens.forward(input_ids)
)TS";

constexpr const char* kDecoderTail = R"TS(    return self.norm.forward(hidden)
)TS";

}  // namespace

std::string decoder(std::int64_t blocks) {
  std::string source = kDecoderHead;
  for (std::int64_t i = 0; i < blocks; ++i) {
    source += "    hidden = getattr(self.layers, \"" + std::to_string(i) + "\").forward(hidden, cos, sin, mask)\n";
  }
  return source + kDecoderTail;
}

}  // namespace salf::convert::llama_source
