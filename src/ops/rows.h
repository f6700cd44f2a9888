// How does an operator see its tensors? As rows of contiguous float32 that lie at equal distances.
#pragma once

#include <ATen/Parallel.h>
#include <ATen/core/Tensor.h>

#include <algorithm>
#include <cstdint>

namespace salf::ops {

// Whether the hand-written kernels serve this tensor.
inline bool is_plain(const at::Tensor& x) {
  return x.device().is_cpu() && x.scalar_type() == at::kFloat;
}

// The last dimension of a tensor as rows [N, W]; a copy only where its strides do not allow it.
struct Rows {
  explicit Rows(const at::Tensor& x) : tensor(x.reshape({-1, x.size(-1)})) {
    if (tensor.stride(1) != 1) tensor = tensor.contiguous();
    data = tensor.data_ptr<float>();
    stride = tensor.stride(0);
  }
  std::int64_t count() const { return tensor.size(0); }
  std::int64_t width() const { return tensor.size(1); }
  float* row(std::int64_t i) const { return data + i * stride; }

  at::Tensor tensor;
  float* data = nullptr;
  std::int64_t stride = 0;
};

// Calls work(first, last) for parts of 0 … count, in parallel where that is worth it for rows of
// this width.
template <class Work>
void for_rows(std::int64_t count, std::int64_t width, const Work& work) {
  constexpr std::int64_t kElements = 16384;  // of one task at least
  at::parallel_for(
      0, count, std::max<std::int64_t>(1, kElements / std::max<std::int64_t>(1, width)), work);
}

}  // namespace salf::ops
