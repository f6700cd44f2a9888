// What libsalf_nccl.so exports. The program opens it when several ranks first train on GPUs, so
// that it runs where LibTorch's CUDA part is missing.
#pragma once

#include <torch/version.h>

namespace c10d {
class Backend;
class Store;
}  // namespace c10d

namespace salf::distributed {

// Of these functions and of LibTorch, whose classes pass through. A library of another version is
// not used.
inline constexpr const char* kNcclVersion = "1, LibTorch " TORCH_VERSION;

}  // namespace salf::distributed

extern "C" {
// salf_nccl_version
using SalfNcclVersion = const char*();
// salf_make_nccl: this rank of a group on the current GPU; the caller owns one reference to it. One
// to the store is taken. Throws c10::Error.
using SalfMakeNccl = c10d::Backend*(c10d::Store* store, int rank, int size);
}
