// Causal attention in bfloat16 on the CPU, by oneDNN's kernels for a tile (bf16_products.h). The
// scores of a block of queries are held whole and in float32; nothing is held for the backward pass
// but the result and one number for each query (Dao et al. 2022, arXiv 2205.14135).
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

namespace salf::ops {

// Positions `begin` … `begin` + length - 1 of a row.
struct Segment {
  std::int64_t row = 0;
  std::int64_t begin = 0;
  std::int64_t length = 0;
};

// Whether causal_attention serves these.
bool has_causal_attention(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v);

// softmax(scale · q kᵀ) v, where a position sees those of its segment up to itself. `q` [B, H, T,
// C], `k` and `v` [B, G, T, C] with H a multiple of G: heads in a group share keys → [B, H, T, C].
// `segments` cover all positions. REQUIRES: has_causal_attention()
at::Tensor causal_attention(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
    double scale, const std::vector<Segment>& segments);

}  // namespace salf::ops
