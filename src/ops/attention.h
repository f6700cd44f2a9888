// Attention within segments: documents that share a row do not see each other.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <optional>

namespace salf::ops {

// softmax(q kᵀ · scale + mask) v (Vaswani et al. 2017, arXiv 1706.03762). `q` [B, H, T, C], `k` and
// `v` [B, K, T, C], K < H only with `grouped` → [B, H, T, C]. The arguments up to `grouped` are
// those of aten::scaled_dot_product_attention. Where one of q, k and v is bfloat16, all are
// computed in it, and so is the result. `segments` as in tensor::Batch: each segment attends by
// itself, with its part of the mask. Without segments each row is one. In a KeyValueCache::Pass, T
// queries attend to the keys of the passes before as well: the mask is then [.., T, all keys].
at::Tensor attention(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
    const std::optional<at::Tensor>& mask, double dropout, bool is_causal,
    std::optional<double> scale, bool grouped, const std::optional<at::Tensor>& segments);

// The indices of positions, counted from the begin of each segment instead of the row's: at
// position t of a segment that begins at s, index t − s of its row. `positions` [T], [1, T] or
// [B, T] i64 → [B, T]; without segments as they are.
at::Tensor restart_positions(
    const at::Tensor& positions, const std::optional<at::Tensor>& segments);

}  // namespace salf::ops
