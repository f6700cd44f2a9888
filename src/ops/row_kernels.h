// The inner loops of the operators over one row, compiled once for each instruction set. Files with
// these loops include no ATen header: its inline functions would leak into other files.
#pragma once

#include <cstdint>

namespace salf::ops {

struct RowKernels {
  // y = x · r ⊙ weight with r = 1/√(mean(x²) + epsilon); returns r.
  float (*rms_norm)(
      const float* x, const float* weight, float epsilon, std::int64_t width, float* y);
  // dx of rms_norm. Adds dy ⊙ x · r to dweight unless it is null.
  void (*rms_norm_backward)(const float* dy, const float* x, const float* weight, float r,
      std::int64_t width, float* dx, float* dweight);
  void (*swiglu)(const float* gate, const float* up, std::int64_t width, float* y);
  void (*swiglu_backward)(const float* dy, const float* gate, const float* up, std::int64_t width,
      float* dgate, float* dup);
  // One head: y = x ⊙ cos + roll(x) ⊙ sin.
  void (*rotary)(const float* x, const float* cos, const float* sin, std::int64_t width, float* y);
  void (*rotary_backward)(
      const float* dy, const float* cos, const float* sin, std::int64_t width, float* dx);
  // logits become scale · (softmax − onehot). Returns −log softmax_label.
  double (*cross_entropy)(float* logits, std::int64_t label, float scale, std::int64_t width);
};

const RowKernels& row_kernels_baseline();
const RowKernels& row_kernels_avx2();
const RowKernels& row_kernels_avx512();

}  // namespace salf::ops
