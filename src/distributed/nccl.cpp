#include "distributed/nccl.h"

#include <dlfcn.h>

#include <string>

#include "core/log.h"
#include "core/text.h"
#include "tensor/device.h"

namespace salf::distributed {
namespace {

constexpr const char* kNcclLibrary = "libsalf_nccl.so";
constexpr std::size_t kLongestNcclReason = 500;

// dlopen searches where the program's own libraries are. The library is never closed.
NcclLibrary open_nccl() {
  const std::string name = kNcclLibrary;
  std::string problem = tensor::load_cuda_part();
  if (!problem.empty()) return {nullptr, problem};
  void* const library = ::dlopen(kNcclLibrary, RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr) {
    const char* const said = ::dlerror();
    problem = core::printable(said != nullptr ? said : kNcclLibrary, kLongestNcclReason);
    if (!core::starts_with(problem, name + ": cannot open")) return {nullptr, problem};
    return {nullptr, name +
                         " is not installed; it is built where LibTorch has its CUDA part, which "
                         "tools/setup --cuda fetches"};
  }
  const auto version = reinterpret_cast<SalfNcclVersion*>(::dlsym(library, "salf_nccl_version"));
  const auto make = reinterpret_cast<SalfMakeNccl*>(::dlsym(library, "salf_make_nccl"));
  const std::string found = version != nullptr ? version() : "unknown";
  if (make == nullptr || found != kNcclVersion) {
    return {nullptr, name + " is of version " + core::printable(found, kLongestNcclReason) +
                         ", and this salf needs " + kNcclVersion + ": build both anew"};
  }
  return {make, ""};
}

}  // namespace

const NcclLibrary& nccl_library() {
  static const NcclLibrary library = open_nccl();
  return library;
}

}  // namespace salf::distributed
