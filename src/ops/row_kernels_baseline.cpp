#define KERNELS row_kernels_baseline
#include "row_kernels.inc"
