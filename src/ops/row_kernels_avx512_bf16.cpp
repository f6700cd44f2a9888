#define KERNELS row_kernels_avx512_bf16
#include "ops/row_kernels.inc"
