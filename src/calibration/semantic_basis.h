// The semantic basis of the vocabulary: the least-squares pre-images of the one-hot logits
// (Vocabulary-Defined Semantics, arXiv 2401.16184).
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>

namespace salf::calibration {

// With the head W [V, D] (logits = W h), the basis of word v is s_v = W⁺ e_v = (WᵀW + λI)⁻¹ w_v. W⁺
// is the Moore-Penrose pseudo-inverse. The Gram matrix and its Cholesky factor are float64. Memory
// is one chunk of rows and two [D, D] matrices; a row is solved on demand. λ = 0 where the smallest
// eigenvalue of WᵀW exceeds 1e-6·trace/D (exactly: where WᵀW − 1e-6·trace/D·I has a Cholesky
// factor), else λ = 1e-6·trace/D.
class SemanticBasis {
 public:
  // head_weight: [V, D], any floating type and device; it must not change while the basis is in
  // use. Only its first `vocabulary_limit` rows (the tokenizer's ids) count, without two or more
  // equal rows at their end (padding). Throws Error(kBadModel) for another shape, and for weights
  // that are not finite or all zero. REQUIRES: vocabulary_limit > 0
  SemanticBasis(const at::Tensor& head_weight, std::int64_t vocabulary_limit);

  // labels: [N] i64 → s_y [N, D] f32 on the head's device. Throws Error(kBadModel) for a label
  // outside 0 … V-1.
  at::Tensor rows(const at::Tensor& labels) const;
  // The same with length 1 (a row of zeros stays zero). `scale` [D] f64 (a norm's γ⁻¹), if defined,
  // first multiplies each row.
  at::Tensor unit_rows(const at::Tensor& labels, const at::Tensor& scale = {}) const;

  double ridge() const { return ridge_; }        // λ
  std::int64_t words() const { return words_; }  // rows of W that count

 private:
  at::Tensor solve(const at::Tensor& labels) const;  // [N, D] f64

  at::Tensor weight_;  // [V, D], the caller's
  at::Tensor factor_;  // [D, D] f64, lower Cholesky factor of WᵀW + λI
  std::int64_t words_ = 0;
  double ridge_ = 0.0;
};

}  // namespace salf::calibration
