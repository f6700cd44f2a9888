#include <ATen/Parallel.h>

#include "ops/device_operators.h"
#include "ops/row_kernels.h"
#include "ops/rows.h"

namespace salf::ops {
namespace {

// Calls work(kernels, T{}) for the rows' element type T.
template <class Work> const char* by_type(Element type, const Work& work) {
  if (type == Element::kBFloat16) {
    work(row_kernels().bf16, BFloat16Bits{});
  } else {
    work(row_kernels().f32, 0.0F);
  }
  return nullptr;
}

template <class T> T* row(const DeviceRows& rows, std::int64_t i, T /*type*/) {
  return static_cast<T*>(rows.data) + i * rows.stride;
}

template <class T>
T* head(const DeviceHeads& heads, std::int64_t a, std::int64_t b, std::int64_t e, T /*type*/) {
  const auto* const strides = heads.strides;
  return static_cast<T*>(heads.data) + a * strides[0] + b * strides[1] + e * strides[2];
}

const char* rms_norm(DeviceStream /*on*/, DeviceRows x, const float* weight, float epsilon,
    RowShape shape, DeviceRows y, float* r) {
  return by_type(x.type, [&](const auto& kernels, auto type) {
    for_rows(shape.count, shape.width, [&](std::int64_t i) {
      r[i] = kernels.rms_norm(row(x, i, type), weight, epsilon, shape.width, row(y, i, type));
    });
  });
}

// One sum a thread, added in the threads' order: the same threads give the same bits.
const char* rms_norm_backward(DeviceStream /*on*/, DeviceRows dy, DeviceRows x, const float* weight,
    const float* r, RowShape shape, DeviceRows dx, float* weight_sums, std::int64_t /*sums*/) {
  return by_type(x.type, [&](const auto& kernels, auto type) {
    for_rows(shape.count, shape.width, [&](std::int64_t i) {
      float* const sum =
          weight_sums == nullptr ? nullptr : weight_sums + at::get_thread_num() * shape.width;
      kernels.rms_norm_backward(
          row(dy, i, type), row(x, i, type), weight, r[i], shape.width, row(dx, i, type), sum);
    });
  });
}

const char* swiglu(
    DeviceStream /*on*/, DeviceRows gate, DeviceRows up, RowShape shape, DeviceRows y) {
  return by_type(y.type, [&](const auto& kernels, auto type) {
    for_rows(shape.count, shape.width, [&](std::int64_t i) {
      kernels.swiglu(row(gate, i, type), row(up, i, type), shape.width, row(y, i, type));
    });
  });
}

const char* swiglu_backward(DeviceStream /*on*/, DeviceRows dy, DeviceRows gate, DeviceRows up,
    RowShape shape, DeviceRows dgate, DeviceRows dup) {
  return by_type(dy.type, [&](const auto& kernels, auto type) {
    for_rows(shape.count, shape.width, [&](std::int64_t i) {
      kernels.swiglu_backward(row(dy, i, type), row(gate, i, type), row(up, i, type), shape.width,
          row(dgate, i, type), row(dup, i, type));
    });
  });
}

template <bool kBackward> const char* turn(DeviceStream /*on*/, DeviceHeads x, DeviceHeads cos,
    DeviceHeads sin, HeadShape shape, DeviceHeads y) {
  return by_type(x.type, [&](const auto& kernels, auto type) {
    const auto kernel = kBackward ? kernels.rotary_backward : kernels.rotary;
    for_rows(shape.a * shape.b, shape.e * shape.width, [&](std::int64_t i) {
      const std::int64_t a = i / shape.b;
      const std::int64_t b = i % shape.b;
      for (std::int64_t e = 0; e < shape.e; ++e)
        kernel(head(x, a, b, e, type), head(cos, a, b, e, 0.0F), head(sin, a, b, e, 0.0F),
            shape.width, head(y, a, b, e, type));
    });
  });
}

const char* cross_entropy(DeviceStream /*on*/, DeviceRows logits, const std::int64_t* labels,
    float scale, RowShape shape, DeviceRows gradient, double* losses) {
  return by_type(gradient.type, [&](const auto& kernels, auto type) {
    for_rows(shape.count, shape.width, [&](std::int64_t i) {
      losses[i] = kernels.cross_entropy(
          row(logits, i, 0.0F), labels[i], scale, shape.width, row(gradient, i, type));
    });
  });
}

}  // namespace

const RowKernels& row_kernels() {
  static const RowKernels& best = []() -> const RowKernels& {
    const bool wide =
        __builtin_cpu_supports("avx512f") != 0 && __builtin_cpu_supports("avx512dq") != 0 &&
        __builtin_cpu_supports("avx512vl") != 0 && __builtin_cpu_supports("avx512bw") != 0;
    if (wide && __builtin_cpu_supports("avx512bf16") != 0) return row_kernels_avx512_bf16();
    if (wide) return row_kernels_avx512();
    if (__builtin_cpu_supports("avx2") != 0 && __builtin_cpu_supports("fma") != 0)
      return row_kernels_avx2();
    return row_kernels_baseline();
  }();
  return best;
}

const DeviceKernels& cpu_kernels() {
  static const DeviceKernels kernels{
      rms_norm, rms_norm_backward, swiglu, swiglu_backward, turn<false>, turn<true>, cross_entropy};
  return kernels;
}

}  // namespace salf::ops
