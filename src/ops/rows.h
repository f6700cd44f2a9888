// Parallel loops over the rows of tensors on the CPU.
#pragma once

#include <ATen/Parallel.h>
#include <ATen/core/Tensor.h>

#include <algorithm>
#include <cstdint>

namespace salf::ops {

inline bool is_float_on_cpu(const at::Tensor& x) {
  return x.device().is_cpu() && x.scalar_type() == at::kFloat;
}

inline bool is_bfloat16_on_cpu(const at::Tensor& x) {
  return x.device().is_cpu() && x.scalar_type() == at::kBFloat16;
}

// Whether the hand-written CPU kernels serve this tensor.
inline bool is_own(const at::Tensor& x) { return is_float_on_cpu(x) || is_bfloat16_on_cpu(x); }

// Calls work(i) for i = 0 … count − 1, in parallel where rows of this width are worth it.
template <class Work> void for_rows(std::int64_t count, std::int64_t width, const Work& work) {
  constexpr std::int64_t kElements = 16384;  // of one task at least
  const std::int64_t rows = std::max<std::int64_t>(1, kElements / std::max<std::int64_t>(1, width));
  at::parallel_for(0, count, rows, [&work](std::int64_t first, std::int64_t last) {
    for (std::int64_t i = first; i < last; ++i) work(i);
  });
}

}  // namespace salf::ops
