#include <ATen/Parallel.h>

#include "ops/device_operators.h"
#include "ops/row_kernels.h"
#include "ops/rows.h"

namespace salf::ops {
namespace {

// The kernels for the best instruction set of this processor.
const RowKernels& row_kernels() {
  static const RowKernels& best = []() -> const RowKernels& {
    if (__builtin_cpu_supports("avx512f") != 0 && __builtin_cpu_supports("avx512dq") != 0)
      return row_kernels_avx512();
    if (__builtin_cpu_supports("avx2") != 0 && __builtin_cpu_supports("fma") != 0)
      return row_kernels_avx2();
    return row_kernels_baseline();
  }();
  return best;
}

float* row(const DeviceRows& rows, std::int64_t i) {
  return static_cast<float*>(rows.data) + i * rows.stride;
}

float* head(const DeviceHeads& heads, std::int64_t a, std::int64_t b, std::int64_t e) {
  const auto* const strides = heads.strides;
  return static_cast<float*>(heads.data) + a * strides[0] + b * strides[1] + e * strides[2];
}

template <class Work> const char* each_row(RowShape shape, const Work& work) {
  for_rows(shape.count, shape.width, work);
  return nullptr;
}

const char* rms_norm(DeviceStream /*on*/, DeviceRows x, const float* weight, float epsilon,
    RowShape shape, DeviceRows y, float* r) {
  return each_row(shape, [&](std::int64_t i) {
    r[i] = row_kernels().rms_norm(row(x, i), weight, epsilon, shape.width, row(y, i));
  });
}

// One sum a thread, added in the threads' order: the same threads give the same bits.
const char* rms_norm_backward(DeviceStream /*on*/, DeviceRows dy, DeviceRows x, const float* weight,
    const float* r, RowShape shape, DeviceRows dx, float* weight_sums, std::int64_t /*sums*/) {
  return each_row(shape, [&](std::int64_t i) {
    float* const sum =
        weight_sums == nullptr ? nullptr : weight_sums + at::get_thread_num() * shape.width;
    row_kernels().rms_norm_backward(
        row(dy, i), row(x, i), weight, r[i], shape.width, row(dx, i), sum);
  });
}

const char* swiglu(
    DeviceStream /*on*/, DeviceRows gate, DeviceRows up, RowShape shape, DeviceRows y) {
  return each_row(shape, [&](std::int64_t i) {
    row_kernels().swiglu(row(gate, i), row(up, i), shape.width, row(y, i));
  });
}

const char* swiglu_backward(DeviceStream /*on*/, DeviceRows dy, DeviceRows gate, DeviceRows up,
    RowShape shape, DeviceRows dgate, DeviceRows dup) {
  return each_row(shape, [&](std::int64_t i) {
    row_kernels().swiglu_backward(
        row(dy, i), row(gate, i), row(up, i), shape.width, row(dgate, i), row(dup, i));
  });
}

template <bool kBackward> const char* turn(DeviceStream /*on*/, DeviceHeads x, DeviceHeads cos,
    DeviceHeads sin, HeadShape shape, DeviceHeads y) {
  const auto kernel = kBackward ? row_kernels().rotary_backward : row_kernels().rotary;
  return each_row({shape.a * shape.b, shape.e * shape.width}, [&](std::int64_t i) {
    const std::int64_t a = i / shape.b;
    const std::int64_t b = i % shape.b;
    for (std::int64_t e = 0; e < shape.e; ++e)
      kernel(
          head(x, a, b, e), head(cos, a, b, e), head(sin, a, b, e), shape.width, head(y, a, b, e));
  });
}

const char* cross_entropy(DeviceStream /*on*/, DeviceRows logits, const std::int64_t* labels,
    float scale, RowShape shape, double* losses) {
  return each_row(shape, [&](std::int64_t i) {
    losses[i] = row_kernels().cross_entropy(row(logits, i), labels[i], scale, shape.width);
  });
}

}  // namespace

const DeviceKernels& cpu_kernels() {
  static const DeviceKernels kernels{
      rms_norm, rms_norm_backward, swiglu, swiglu_backward, turn<false>, turn<true>, cross_entropy};
  return kernels;
}

}  // namespace salf::ops
