#include "salf/tensor/device.h"

#include <ATen/Context.h>
#include <ATen/Parallel.h>
#include <ATen/autocast_mode.h>
#include <c10/core/impl/VirtualGuardImpl.h>
#include <c10/util/Exception.h>
#include <dlfcn.h>
#include <sched.h>

#include <algorithm>
#include <fstream>
#include <regex>
#include <set>
#include <string>

#include "salf/core/error.h"

namespace salf::tensor {
namespace {

void open_cuda_libraries() {
  // torch remembers its first answer to "is there CUDA?", so the library comes before any question.
  if (dlopen("libtorch_cuda.so", RTLD_NOW | RTLD_GLOBAL) == nullptr) {
    const char* reason = dlerror();
    throw Error(ErrorKind::kIo, std::string("CUDA cannot be used: libtorch_cuda.so was not opened (") +
                                    (reason != nullptr ? reason : "no reason given") +
                                    "); install torch 2.11.0 with its NVIDIA wheels and build with "
                                    "CMAKE_PREFIX_PATH set to its site-packages, or use --device cpu");
  }
  if (!at::globalContext().hasCUDA()) {
    throw Error(ErrorKind::kIo, "CUDA cannot be used: no GPU or no driver was found; use --device cpu");
  }
}

// One thread a physical core: the others of a core would only share its arithmetic units.
int physical_cores() {
  cpu_set_t allowed;
  CPU_ZERO(&allowed);
  if (sched_getaffinity(0, sizeof(allowed), &allowed) != 0) return 1;
  std::set<std::string> cores;
  int processors = 0;
  for (std::size_t cpu = 0; cpu < CPU_SETSIZE; ++cpu) {
    if (!CPU_ISSET(cpu, &allowed)) continue;
    ++processors;
    std::ifstream file("/sys/devices/system/cpu/cpu" + std::to_string(cpu) + "/topology/thread_siblings_list");
    std::string siblings;
    if (std::getline(file, siblings)) cores.insert(siblings);
  }
  return cores.empty() ? std::max(1, processors) : static_cast<int>(cores.size());
}

}  // namespace

c10::Device open_device(const std::string& text) {
  static const std::regex kForm("cpu|cuda(:[0-9]{1,2})?");
  if (!std::regex_match(text, kForm)) {
    throw Error(ErrorKind::kUsage, "--device: expected cpu, cuda or cuda:N, got '" + text + "'");
  }
  const c10::Device device(text == "cuda" ? "cuda:0" : text);
  if (device.is_cuda()) {
    open_cuda_libraries();
    const auto count = at::globalContext().getAcceleratorHooksInterface(at::kCUDA).deviceCount();
    if (device.index() >= count) {
      throw Error(ErrorKind::kIo, "--device " + text + ": there are only " + std::to_string(count) + " GPUs");
    }
  }
  return device;
}

void set_threads(std::int64_t threads) {
  at::set_num_threads(threads > 0 ? static_cast<int>(threads) : physical_cores());
}

std::int64_t threads() { return at::get_num_threads(); }

AutocastGuard::AutocastGuard(c10::Device device, c10::ScalarType dtype)
    : device_(device.type()), previous_dtype_(dtype) {
  if (dtype == c10::ScalarType::Float) return;
  active_ = true;
  previous_ = at::autocast::is_autocast_enabled(device_);
  previous_dtype_ = at::autocast::get_autocast_dtype(device_);
  at::autocast::set_autocast_enabled(device_, true);
  at::autocast::set_autocast_dtype(device_, dtype);
  at::autocast::increment_nesting();
}

AutocastGuard::~AutocastGuard() {
  if (!active_) return;
  if (at::autocast::decrement_nesting() == 0) at::autocast::clear_cache();
  at::autocast::set_autocast_enabled(device_, previous_);
  at::autocast::set_autocast_dtype(device_, previous_dtype_);
}

void synchronize(c10::Device device) {
  if (device.is_cpu()) return;
  const c10::impl::VirtualGuardImpl guard(device.type());
  guard.synchronizeDevice(device.index());
}

std::string error_text(const std::exception& error) {
  const auto* torch_error = dynamic_cast<const c10::Error*>(&error);
  return torch_error != nullptr ? torch_error->what_without_backtrace() : error.what();
}

}  // namespace salf::tensor
