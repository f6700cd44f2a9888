// The deviation of hidden states from the words that they should become (design.md §2), at the
// supervised positions of a batch and for every space.
#pragma once

#include <ATen/core/Tensor.h>

#include "calibration/semantic_basis.h"
#include "core/fields.h"
#include "model/graph/graph_cut.h"
#include "tensor/batch.h"

namespace salf::calibration {

// Measured positions: every one with loss, or only the prompt's last token (the paper's), which is
// a document's first supervised position.
enum class Positions { kSupervised, kLast };
inline std::vector<core::EnumName<Positions>> enum_names(Positions) {
  return {{Positions::kSupervised, "supervised"}, {Positions::kLast, "last"}};
}

// N: the model's final norm, or none. With none, states stay as they are and the norm's scale γ
// goes into the head: the basis is γ⁻¹⊙s_y, the logits are W(γ⊙h).
enum class Norm { kFinal, kNone };
inline std::vector<core::EnumName<Norm>> enum_names(Norm) {
  return {{Norm::kFinal, "final"}, {Norm::kNone, "none"}};
}

// The measured positions of a batch.
struct BatchPositions {
  at::Tensor index;                   // [N] i64, CPU: b·T + t, ascending
  at::Tensor labels;                  // [N] i64, CPU
  std::vector<std::int64_t> row;      // [N]: b
  std::vector<std::int64_t> sampled;  // [M]: which of 0 … N-1 get the loss too, ascending
};

// The sample for the loss. Each position is drawn with probability `share` by a stable hash of
// (seed, document, position), independent of batches. Positions::kLast draws all (one a document).
struct LossSample {
  double share = 0.04;
  std::uint64_t seed = 1;
};

BatchPositions select_positions(
    const tensor::Batch& batch, Positions positions, const LossSample& sample);

// 1 − cos(state, basis). state [N, D], unit_basis [N, D] f32 of length 1 → [N] f32. A state of
// zeros has deviation 1.
at::Tensor cosine_deviation(const at::Tensor& state, const at::Tensor& unit_basis);

// −log softmax(head(state))_label. state [N, D], labels [N] i64 on the same device → [N] f32.
// Each call of `head` gets at most max_logits / vocabulary rows, at least one.
at::Tensor loss_deviation(const at::Tensor& state, const at::Tensor& labels,
    const model::Head& head, std::int64_t vocabulary,
    std::int64_t max_logits = std::int64_t{1} << 24);

// The scale γ [D] f64 of a norm N(h) = γ⊙(normalised h) + β (RMSNorm, LayerNorm, and norms that
// store γ − 1), from its results for two pairs of opposite vectors of mean 0. `options`: the
// states' type and device. Throws Error(kBadModel) if the results do not fit such a norm.
at::Tensor norm_scale(const std::function<at::Tensor(const at::Tensor&)>& norm, std::int64_t hidden,
    const at::TensorOptions& options);

// Measures all spaces of a batch. `graph` and `basis` outlive it.
class DeviationMeter {
 public:
  DeviationMeter(const model::GraphCut& graph, const SemanticBasis& basis, Norm norm);

  // [L+1, N] f64, CPU. Throws Error(kBadModel) with the first space that is not finite.
  at::Tensor cosine(const model::Spaces& spaces, const BatchPositions& positions) const;
  // [L+1, M] f64, CPU; throws likewise.
  at::Tensor loss(const model::Spaces& spaces, const BatchPositions& positions) const;
  // [1, N] f64, CPU: the model's own loss, whatever the norm option; throws likewise.
  at::Tensor model_loss(const model::Spaces& spaces, const BatchPositions& positions) const;
  // [L+1, N] i64, CPU: the word whose basis has the smallest angle to each state. Candidates at
  // each space are the head's 16 likeliest words of every position and all labels. (All words would
  // cost V·D².)
  at::Tensor nearest(const model::Spaces& spaces, const BatchPositions& positions) const;

 private:
  at::Tensor head_loss(const at::Tensor& states, const at::Tensor& labels) const;  // [N] f32
  at::Tensor normed(const at::Tensor& state) const;    // [N, D] → [N, D]: N of the option
  at::Tensor for_head(const at::Tensor& state) const;  // [N, D] → [N, D]: what the head multiplies

  const model::GraphCut& graph_;
  model::Head head_;
  const SemanticBasis& basis_;
  Norm norm_;
  at::Tensor scale_;          // [D] f64: γ, with Norm::kNone
  at::Tensor inverse_scale_;  // [D] f64: γ⁻¹, 0 where γ is 0
};

}  // namespace salf::calibration
