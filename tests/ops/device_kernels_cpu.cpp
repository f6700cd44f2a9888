// The kernels of libsalf_cuda.so, for the CPU.
#include "support/cuda_on_cpu.h"
// The file under test comes after what it is compiled against.
#include "ops/device_kernels.cu"
