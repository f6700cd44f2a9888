// libsalf_nccl.so: what needs the headers of CUDA and NCCL, and libtorch_cuda.so.
#include "distributed/nccl_plugin.h"

#include <chrono>
#include <cstdlib>
#include <torch/csrc/distributed/c10d/ProcessGroupNCCL.hpp>

#define SALF_EXPORT __attribute__((visibility("default")))

extern "C" {

SALF_EXPORT const char* salf_nccl_version() { return salf::distributed::kNcclVersion; }

SALF_EXPORT c10d::Backend* salf_make_nccl(c10d::Store* store, int rank, int size) {
  // The ranks' watch names who failed. LibTorch's would end the process.
  ::setenv("TORCH_NCCL_ASYNC_ERROR_HANDLING", "0", /*overwrite=*/0);
  ::setenv("TORCH_NCCL_ENABLE_MONITORING", "0", /*overwrite=*/0);
  auto options = c10d::ProcessGroupNCCL::Options::create();
  options->timeout = std::chrono::hours(24 * 365);
  return c10::make_intrusive<c10d::ProcessGroupNCCL>(
      c10::intrusive_ptr<c10d::Store>::unsafe_reclaim_from_nonowning(store), rank, size, options)
      .release();
}

}  // extern "C"
