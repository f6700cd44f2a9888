// Parallel loops over the rows of float32 tensors on the CPU.
#pragma once

#include <ATen/Parallel.h>
#include <ATen/core/Tensor.h>

#include <algorithm>
#include <cstdint>

namespace salf::ops {

// Whether the hand-written CPU kernels serve this tensor.
inline bool is_plain(const at::Tensor& x) {
  return x.device().is_cpu() && x.scalar_type() == at::kFloat;
}

// Calls work(i) for i = 0 … count − 1, in parallel where rows of this width are worth it.
template <class Work> void for_rows(std::int64_t count, std::int64_t width, const Work& work) {
  constexpr std::int64_t kElements = 16384;  // of one task at least
  const std::int64_t rows = std::max<std::int64_t>(1, kElements / std::max<std::int64_t>(1, width));
  at::parallel_for(0, count, rows, [&work](std::int64_t first, std::int64_t last) {
    for (std::int64_t i = first; i < last; ++i) work(i);
  });
}

}  // namespace salf::ops
