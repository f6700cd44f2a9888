#include "tensor/cuda_driver.h"

#include <ATen/detail/CUDAHooksInterface.h>
#include <dlfcn.h>

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <system_error>

#include "core/log.h"
#include "core/text.h"

namespace salf::tensor {
namespace {

namespace fs = std::filesystem;

std::string first_line(const fs::path& path) {
  std::ifstream file(path);
  std::string line;
  std::getline(file, line);
  return line;
}

// "NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  580.65.06  Release Build …"
std::string version_in(const std::string& line) {
  for (std::size_t begin = 0; begin < line.size();) {
    const std::size_t end = std::min(line.find(' ', begin), line.size());
    const std::string word = line.substr(begin, end - begin);
    const bool number = word.find_first_not_of("0123456789.") == std::string::npos;
    if (number && word.find('.') != std::string::npos && word.front() != '.') return word;
    begin = end + 1;
  }
  return "";
}

// Display controllers and accelerators of NVIDIA.
bool is_gpu(const fs::path& device) {
  return first_line(device / "vendor") == "0x10de" &&
         core::starts_with(first_line(device / "class"), "0x03");
}

// CUDA's runtime library if LibTorch is linked to one. It is loaded then.
struct Runtime {
  void* library = nullptr;
  int version = 0;
};
Runtime find_runtime() {
  for (const int version : {13, 12, 11, 14}) {
    const std::string name =
        version == 11 ? "libcudart.so.11.0" : "libcudart.so." + std::to_string(version);
    if (void* const library = ::dlopen(name.c_str(), RTLD_NOW | RTLD_NOLOAD))
      return {library, version};
  }
  return {};
}

// What CUDA itself says when it is asked for GPUs; "" where it finds some or cannot be asked.
std::string runtime_error() {
  const Runtime runtime = find_runtime();
  if (runtime.library == nullptr) return "";
  const auto count =
      reinterpret_cast<int (*)(int*)>(::dlsym(runtime.library, "cudaGetDeviceCount"));
  const auto text =
      reinterpret_cast<const char* (*)(int)>(::dlsym(runtime.library, "cudaGetErrorString"));
  if (count == nullptr || text == nullptr) return "";
  int found = 0;
  const int code = count(&found);
  const char* const message = code == 0 ? nullptr : text(code);
  return message == nullptr ? "" : message;
}

}  // namespace

DriverFacts driver_facts(const fs::path& root) {
  DriverFacts facts;
  facts.version = version_in(first_line(root / "proc/driver/nvidia/version"));
  std::error_code failed;
  facts.device_files = fs::exists(root / "dev/nvidiactl", failed);
  facts.wsl = fs::exists(root / "dev/dxg", failed);
  for (auto entry = fs::directory_iterator(root / "sys/bus/pci/devices", failed);
       !failed && entry != fs::directory_iterator(); entry.increment(failed)) {
    facts.gpus += is_gpu(entry->path()) ? 1 : 0;
  }
  return facts;
}

int torch_cuda_version() {
  static const int version = find_runtime().version;
  return version;
}

// From the release notes of CUDA 11, 12 and 13: within a major version the driver of its first
// release serves.
int least_driver(int cuda_version) {
  switch (cuda_version) {
    case 11: return 450;
    case 12: return 525;
    case 13: return 580;
    default: return 0;
  }
}

std::string driver_problem(const DriverFacts& driver, int cuda_version) {
  const int least = least_driver(cuda_version);
  const std::string needed = least == 0 ? "" : " (" + std::to_string(least) + " or later)";
  if (driver.version.empty()) {
    if (driver.wsl) return "";
    if (driver.gpus == 0) return "this machine shows no NVIDIA GPU and no driver";
    return "an NVIDIA GPU is there, but its driver is not loaded; install NVIDIA's driver" +
           needed + ", or load it (modprobe nvidia)";
  }
  const int found = std::atoi(driver.version.c_str());
  if (found < least) {
    return "NVIDIA's driver is too old: CUDA " + std::to_string(cuda_version) +
           ", which this LibTorch is built for, needs " + std::to_string(least) +
           " or later, and this is " + driver.version + "; update the driver";
  }
  if (!driver.device_files) {
    return "NVIDIA's driver " + driver.version +
           " is loaded, but there are no device files (/dev/nvidiactl); start the container with "
           "its GPUs (docker run --gpus all), or run nvidia-modprobe";
  }
  return "";
}

// LibTorch asks for convolutions what holds for products.
bool gpu_multiplies_bf16() {
  return at::detail::getCUDAHooks().supportsBFloat16ConvolutionWithCuDNNv8();
}

std::string why_no_cuda() {
  const std::string problem = driver_problem(driver_facts(), torch_cuda_version());
  if (!problem.empty()) return problem;
  const std::string said = runtime_error();
  std::string text = "LibTorch finds no NVIDIA GPU";
  if (!said.empty()) text += ": CUDA says \"" + core::printable(said) + "\"";
  const char* const visible = std::getenv("CUDA_VISIBLE_DEVICES");
  if (visible != nullptr) text += "; CUDA_VISIBLE_DEVICES is \"" + core::printable(visible) + "\"";
  return text + "; see whether nvidia-smi finds one";
}

}  // namespace salf::tensor
