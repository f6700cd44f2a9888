#define KERNELS row_kernels_avx512
#include "row_kernels.inc"
