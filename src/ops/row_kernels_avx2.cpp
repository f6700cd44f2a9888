#define KERNELS row_kernels_avx2
#include "row_kernels.inc"
