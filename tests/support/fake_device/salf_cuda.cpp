// libsalf_cuda.so for the fake device: the real kernels and launches, on the CPU.
#include <cstdlib>
#include <cstring>

#include "fake_device.h"
#define SALF_KERNEL_ADDRESS(pointer) salf_fake_device_address(pointer)
#include "support/cuda_on_cpu.h"
// The kernels come after what they are compiled against.
#include "ops/device_kernels.cu"

namespace {

[[maybe_unused]] const bool launches = [] {
  const char* const wanted = std::getenv("SALF_FAKE_DEVICE_LAUNCH");
  if (wanted != nullptr && std::strcmp(wanted, "fails") == 0)
    cuda_on_cpu::last_error = cudaErrorNoKernelImageForDevice;
  return true;
}();

}  // namespace
