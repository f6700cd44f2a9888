#define KERNELS row_kernels_avx512
#include "ops/row_kernels.inc"
