#define KERNELS row_kernels_baseline
#include "ops/row_kernels.inc"
