#include "ops/row_kernels.h"

namespace salf::ops {

const RowKernels& row_kernels() {
  static const RowKernels& best = [&]() -> const RowKernels& {
    if (__builtin_cpu_supports("avx512f") != 0 && __builtin_cpu_supports("avx512dq") != 0)
      return row_kernels_avx512();
    if (__builtin_cpu_supports("avx2") != 0 && __builtin_cpu_supports("fma") != 0)
      return row_kernels_avx2();
    return row_kernels_baseline();
  }();
  return best;
}

}  // namespace salf::ops
