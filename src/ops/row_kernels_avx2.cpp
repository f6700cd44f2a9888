#define KERNELS row_kernels_avx2
#include "ops/row_kernels.inc"
