// The loss at the supervised positions: the head's product, cross-entropy and gradient in chunks of
// positions, so that the logits [N, V] are never held whole.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>

#include "model/graph/graph_cut.h"
#include "tensor/batch.h"

namespace salf::train {

// Logits of one chunk, in elements, at most; always at least one position. On the CPU 32 MB in f32,
// what stays in the last-level cache between the products, and four times as many where the head's
// weight is trained. On a GPU a 64th of its memory and 1 GiB at most, so that a chunk fills it: of
// all its memory, so that a run that goes on later has the same chunks.
inline constexpr std::int64_t kChunkElements = std::int64_t{1} << 23;

// Positions of one chunk for a head [V, D] whose weight is trained or frozen. `chunk_elements`
// counts on the CPU only.
std::int64_t head_chunk_rows(
    const at::Tensor& weight, std::int64_t chunk_elements = kChunkElements);

// A batch's supervised positions.
struct Supervised {
  at::Tensor state;      // [N, D], rows of the state before the head; carries autograd
  at::Tensor labels;     // [N] i64, on the state's device
  at::Tensor documents;  // [N] i64, CPU
};

// `state` [B, T, D] as GraphCut::suffix gives it.
Supervised supervised(const at::Tensor& state, const tensor::Batch& batch);

// scale · Σ_i −log softmax(W x_i + b)_{y_i}, [] f64. Loss and gradients are made in one pass, in
// f32 at least (of bf16 states, only the factors of products are rounded): the gradient to the
// state always, to weight and bias where they require it. Backward once. `state` [N, D], `labels`
// [N] i64, `weight` [V, D], `bias` [V] or undefined, `factor`: the weight in the type of the state,
// where it has another one.
at::Tensor linear_cross_entropy(const at::Tensor& state, const at::Tensor& labels,
    const at::Tensor& weight, const at::Tensor& bias, double scale,
    std::int64_t chunk_elements = kChunkElements, const at::Tensor& factor = {});

// The same of a model's head: the plain product where BlockMap::plain_head, else autograd through
// GraphCut::head chunk by chunk (gradients to the state and to the head's weight and bias).
at::Tensor head_loss(const model::GraphCut& graph, const Supervised& supervised, double scale,
    std::int64_t chunk_elements = kChunkElements);

// How each position fares, without gradients.
struct PositionScores {
  at::Tensor loss;     // [N] f64, CPU: −log likelihood of the label
  at::Tensor correct;  // [N] bool, CPU: the label has the largest logit
};
PositionScores score_positions(const model::Head& head, std::int64_t vocabulary,
    const Supervised& supervised, std::int64_t chunk_elements = kChunkElements);

}  // namespace salf::train
