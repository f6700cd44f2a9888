// The inner loops of the operators over one row, compiled once for each instruction set. Files with
// these loops include no ATen header: its inline functions would leak into other files.
#pragma once

#include <cstdint>

namespace salf::ops {

// The upper half of a float32's bits.
struct BFloat16Bits {
  std::uint16_t bits;
};

// Loops over activations of type T. They compute in float32.
template <class T> struct TypedRowKernels {
  // y = x · r ⊙ weight with r = 1/√(mean(x²) + epsilon); returns r.
  float (*rms_norm)(const T* x, const float* weight, float epsilon, std::int64_t width, T* y);
  // dx of rms_norm. Adds dy ⊙ x · r to dweight unless it is null.
  void (*rms_norm_backward)(const T* dy, const T* x, const float* weight, float r,
      std::int64_t width, T* dx, float* dweight);
  void (*swiglu)(const T* gate, const T* up, std::int64_t width, T* y);
  void (*swiglu_backward)(
      const T* dy, const T* gate, const T* up, std::int64_t width, T* dgate, T* dup);
  // One head: y = x ⊙ cos + roll(x) ⊙ sin.
  void (*rotary)(const T* x, const float* cos, const float* sin, std::int64_t width, T* y);
  void (*rotary_backward)(
      const T* dy, const float* cos, const float* sin, std::int64_t width, T* dx);
  // gradient = scale · (softmax − onehot), which may lie where the logits do. Returns −log
  // softmax_label.
  double (*cross_entropy)(
      const float* logits, std::int64_t label, float scale, std::int64_t width, T* gradient);
};

// One step of AdamW (optimizer.h) on a stretch of a weight.
struct AdamWStep {
  float keep;        // 1 − learning rate · weight decay
  float step_size;   // learning rate / (1 − β1^t)
  float root_scale;  // 1 / √(1 − β2^t)
  float beta1, beta2;
  float epsilon;
  float gradient_factor;  // the gradient is multiplied by it
};

struct RowKernels {
  TypedRowKernels<float> f32;
  TypedRowKernels<BFloat16Bits> bf16;
  // `copy` takes the new weight in bfloat16 unless it is null.
  void (*adamw)(const AdamWStep& step, const float* gradient, std::int64_t width, float* weight,
      float* first, float* second, BFloat16Bits* copy);
  // out[i] = even[i] in the lower half, odd[i] in the upper one.
  void (*pair)(
      const BFloat16Bits* even, const BFloat16Bits* odd, std::int64_t width, std::uint32_t* out);
  // The transpose of a tile of 16 × 16; strides in elements.
  void (*transpose)(
      const std::uint32_t* in, std::int64_t in_stride, std::uint32_t* out, std::int64_t out_stride);
  // A row of attention. p = softmax(scale · scores) over the first `seen` scores and 0 up to
  // `width`, a multiple of 16. Returns ln Σ e^(scale · score).
  float (*attention)(
      const float* scores, std::int64_t seen, std::int64_t width, float scale, BFloat16Bits* p);
  // p once more, by the `sum` that attention() returned, and the gradient of the scores, p ⊙ (dp −
  // `shift`) · scale; both 0 from `seen` to `width`.
  void (*attention_backward)(const float* scores, const float* dp, std::int64_t seen,
      std::int64_t width, float scale, float sum, float shift, BFloat16Bits* p,
      BFloat16Bits* dscores);
  float (*dot)(const BFloat16Bits* a, const BFloat16Bits* b, std::int64_t width);
  // y = x, rounded to nearest.
  void (*narrow)(const float* x, std::int64_t width, BFloat16Bits* y);
};

const RowKernels& row_kernels_baseline();
const RowKernels& row_kernels_avx2();
const RowKernels& row_kernels_avx512();
const RowKernels& row_kernels_avx512_bf16();

// Those for the best instruction set of this processor.
const RowKernels& row_kernels();

}  // namespace salf::ops
