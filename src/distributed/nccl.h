// NCCL between the GPUs of ranks, by libsalf_nccl.so.
#pragma once

#include <string>

#include "distributed/nccl_plugin.h"

namespace salf::distributed {

struct NcclLibrary {
  SalfMakeNccl* make = nullptr;
  std::string problem;  // why there is none; "" with one
};

// Opened once, after LibTorch's CUDA part, without asking for a GPU.
const NcclLibrary& nccl_library();

}  // namespace salf::distributed
