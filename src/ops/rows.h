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

// Calls work(first, last) for parts of 0 … count, in parallel where rows of this width are worth
// it.
template <class Work>
void for_rows(std::int64_t count, std::int64_t width, const Work& work) {
  constexpr std::int64_t kElements = 16384;  // of one task at least
  at::parallel_for(
      0, count, std::max<std::int64_t>(1, kElements / std::max<std::int64_t>(1, width)), work);
}

}  // namespace salf::ops
