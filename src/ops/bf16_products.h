// Products of bfloat16 matrices with float32 results. On a CPU with AVX512-BF16 by oneDNN's kernels
// for a tile (they use AMX where the processor has it), which LibTorch exports; elsewhere by ATen,
// which rounds the results.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>

namespace salf::ops {

// Whether this processor has the kernels.
bool has_bf16_products();

// A weight that many products share.
class WideFactor {
 public:
  // `weight` [O, I] bf16
  explicit WideFactor(const at::Tensor& weight);
  // x Wᵀ: `x` [N, I] bf16 → [N, O] f32
  at::Tensor times(const at::Tensor& x) const;

 private:
  at::Tensor weight_, panels_;
};

// dyᵀ x, the gradient of W where y = x Wᵀ. `dy` [N, O] bf16, `x` [N, I] bf16 → [O, I] f32. It is
// added to `sum` where that is defined, and `sum` is returned.
at::Tensor weight_gradient(const at::Tensor& dy, const at::Tensor& x, const at::Tensor& sum = {});

}  // namespace salf::ops
