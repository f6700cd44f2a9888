#include "tensor/device.h"

#include <ATen/Parallel.h>
#include <ATen/detail/CUDAHooksInterface.h>
#include <c10/core/impl/VirtualGuardImpl.h>
#include <c10/util/Exception.h>
#include <dlfcn.h>
#include <sched.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <new>
#include <optional>
#include <set>
#include <system_error>

#include "core/error.h"
#include "core/log.h"
#include "core/machine.h"
#include "core/text.h"
#include "tensor/cuda_driver.h"

namespace salf::tensor {
namespace {

// N of "cuda:N" and the rank of "cuda"; nothing for other texts.
std::optional<c10::DeviceIndex> cuda_index(const std::string& text, std::int64_t rank) {
  if (text == "cuda") return static_cast<c10::DeviceIndex>(rank);
  if (!core::starts_with(text, "cuda:")) return std::nullopt;
  const std::string digits = text.substr(5);
  if (digits.empty() || digits.size() > 2 ||
      digits.find_first_not_of("0123456789") != std::string::npos) {
    return std::nullopt;
  }
  return static_cast<c10::DeviceIndex>(std::stoi(digits));
}

// The one that the process has already; else beside the libtorch_cpu.so that runs now; else the
// bare name (the loader's search).
std::filesystem::path cuda_library() {
  const std::filesystem::path name = "libtorch_cuda.so";
  if (::dlopen(name.c_str(), RTLD_LAZY | RTLD_NOLOAD) != nullptr) return name;
  const auto beside = torch_library().parent_path() / name;
  std::error_code ignored;
  return std::filesystem::exists(beside, ignored) ? beside : name;
}

constexpr std::int64_t kMostThreads = 4096;

// The line that names the processors sharing a core with this one, the same for each of them.
std::string siblings(int processor) {
  std::ifstream file(
      "/sys/devices/system/cpu/cpu" + std::to_string(processor) + "/topology/thread_siblings_list");
  std::string line;
  // Where the kernel does not say, each processor counts as a core.
  if (!std::getline(file, line)) line = "cpu" + std::to_string(processor);
  return line;
}

// CUDA's message has sentences; these two hold anywhere: " (tried to allocate 20.00 MiB; GPU 0 has
// a total capacity of …)".
std::string tried_text(const std::string& text) {
  const std::string begin = "Tried to allocate ";
  const std::size_t from = text.find(begin);
  if (from == std::string::npos) return "";
  const std::size_t end = text.find(". ", text.find(". ", from) + 1);
  std::string facts = text.substr(from + begin.size(), end - from - begin.size());
  if (const std::size_t stop = facts.find(". "); stop != std::string::npos)
    facts.replace(stop, 2, "; ");
  if (core::ends_with(facts, ".")) facts.pop_back();
  return " (tried to allocate " + core::printable(facts) + ")";
}

}  // namespace

// The library registers its operators when it is opened, and is never closed.
std::string load_cuda_part() {
  static bool opened = false;
  if (opened) return "";
  const std::filesystem::path library = cuda_library();
  opened = ::dlopen(library.c_str(), RTLD_NOW | RTLD_GLOBAL) != nullptr;
  if (opened) return "";
  const char* const said = ::dlerror();
  const std::string reason = core::printable(said == nullptr ? "no reason given" : said);
  const bool missing = !library.has_parent_path() && core::starts_with(reason, library.string());
  return missing ? "libtorch_cuda.so is not installed; tools/setup --cuda fetches it"
                 : "libtorch_cuda.so does not load: " + reason;
}

std::filesystem::path torch_library() {
  Dl_info info{};
  // at::get_num_threads lies in libtorch_cpu.so.
  if (::dladdr(reinterpret_cast<const void*>(&at::get_num_threads), &info) == 0) return {};
  return info.dli_fname;
}

std::int64_t usable_cores() {
  cpu_set_t allowed;
  CPU_ZERO(&allowed);
  if (::sched_getaffinity(0, sizeof allowed, &allowed) != 0) return 0;
  std::set<std::string> cores;
  for (int processor = 0; processor < CPU_SETSIZE; ++processor) {
    if (CPU_ISSET(static_cast<unsigned>(processor), &allowed)) cores.insert(siblings(processor));
  }
  return static_cast<std::int64_t>(cores.size());
}

c10::Device open_device(const std::string& text, std::int64_t rank) {
  if (text == "cpu") return c10::Device(c10::kCPU);
  const auto index = cuda_index(text, rank);
  if (!index) {
    throw Error(ErrorKind::kUsage,
        "--device: expected cpu, cuda or cuda:N, got \"" + core::printable(text) + "\"");
  }
  std::string problem = load_cuda_part();
  const std::int64_t count = problem.empty() ? gpu_count() : 0;
  if (count == 0) {
    if (problem.empty()) problem = why_no_cuda();
    throw Error(ErrorKind::kIo, "CUDA cannot be used: " + problem +
                                    " (salf doctor shows what is there; --device cpu works "
                                    "without)");
  }
  if (*index >= count) {
    throw Error(ErrorKind::kIo, "--device: expected cuda:0 to cuda:" + std::to_string(count - 1) +
                                    ", got " +
                                    (text == "cuda" ? "cuda:" + std::to_string(rank) : text) +
                                    "; this machine has no such GPU");
  }
  const c10::Device device(c10::kCUDA, *index);
  // Of this thread; what autograd starts has its tensors'. Else each rank would take memory of the
  // first GPU too, for pinned memory.
  c10::impl::VirtualGuardImpl(c10::kCUDA).setDevice(device);
  return device;
}

void set_threads(std::int64_t threads, std::int64_t sharing) {
  if (threads < 0 || threads > kMostThreads) {
    throw Error(ErrorKind::kUsage, "threads: expected a number from 0 to " +
                                       std::to_string(kMostThreads) + ", got " +
                                       std::to_string(threads));
  }
  if (threads == 0) {
    // Whoever set OMP_NUM_THREADS (CTest, torchrun, a batch system) has shared the machine out.
    const char* const given = std::getenv("OMP_NUM_THREADS");
    const bool by_launcher = sharing > 1 && given != nullptr && std::string(given) == "1";
    if (given != nullptr && !by_launcher) return;
    threads = core::threads_within(core::group_limits(), usable_cores());
    if (threads > 0) threads = std::max<std::int64_t>(1, threads / sharing);
  }
  if (threads > 0) at::set_num_threads(static_cast<int>(threads));
}

std::int64_t gpu_count() {
  const auto& hooks = at::detail::getCUDAHooks();
  return hooks.hasCUDA() ? hooks.getNumGPUs() : 0;
}

std::int64_t threads() { return at::get_num_threads(); }

std::string bf16_units() {
  std::ifstream info("/proc/cpuinfo");
  for (std::string line; std::getline(info, line);) {
    if (!core::starts_with(line, "flags")) continue;
    const std::string flags = line + " ";
    for (const char* const unit : {"amx_bf16", "avx512_bf16"}) {
      if (flags.find(" " + std::string(unit) + " ") != std::string::npos) return unit;
    }
    break;
  }
  return "";
}

void synchronize(c10::Device device) {
  if (device.is_cuda()) at::detail::getCUDAHooks().deviceSynchronize(device.index());
}

std::optional<Error> out_of_memory(const std::exception& error) {
  const auto* const known = dynamic_cast<const Error*>(&error);
  if (known != nullptr)
    return known->kind() == ErrorKind::kMemory ? std::optional<Error>(*known) : std::nullopt;
  // TorchScript's interpreter keeps the text alone.
  const std::string text = error_text(error);
  const auto has = [&text](const char* part) { return text.find(part) != std::string::npos; };
  const bool on_gpu =
      dynamic_cast<const c10::OutOfMemoryError*>(&error) != nullptr || has("CUDA out of memory");
  const bool on_host = dynamic_cast<const std::bad_alloc*>(&error) != nullptr ||
                       has("std::bad_alloc") || has("DefaultCPUAllocator");
  if (!on_gpu && !on_host) return std::nullopt;
  std::string message = on_gpu ? "the GPU is out of memory" + tried_text(text) : "out of memory";
  return Error(ErrorKind::kMemory, message +
                                       "; a smaller --batch-tokens, --recompute, a deeper cut "
                                       "(--eof), --lora or --dtype bf16 needs less");
}

std::string error_text(const std::exception& error) {
  const auto* const torch_error = dynamic_cast<const c10::Error*>(&error);
  return torch_error != nullptr ? torch_error->what_without_backtrace() : error.what();
}

}  // namespace salf::tensor
