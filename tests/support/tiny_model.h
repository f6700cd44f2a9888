// A decoder of a few thousand parameters, made in the test: what would be a traced Llama, without
// the file.
#pragma once

#include <torch/csrc/jit/api/module.h>

#include <cstdint>

namespace salf::support {

// Names and structure of a Llama of Hugging Face: model.embed_tokens,
// model.layers.N.{input_layernorm, self_attn.{q,k,v,o}_proj, post_attention_layernorm,
// mlp.{gate,up,down}_proj}, model.norm, lm_head. forward(input_ids, attention_mask: Optional =
// None) -> logits; causal, so that right padding needs no mask and the mask is not looked at;
// rotary positions made once above the blocks; 4 heads, 2 of them for keys and values. Weights are
// normal, from the seed alone; f32. REQUIRES: hidden % 8 == 0
torch::jit::Module make_tiny_decoder(int blocks, int hidden, int vocabulary, std::uint64_t seed);

// The same with the embedding as the head's weight (one tensor).
torch::jit::Module make_tied_tiny_decoder(
    int blocks, int hidden, int vocabulary, std::uint64_t seed);

}  // namespace salf::support
