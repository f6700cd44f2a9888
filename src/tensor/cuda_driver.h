// What a machine has for CUDA, and what stands in its way.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>

namespace salf::tensor {

// Of NVIDIA's driver, from files alone.
struct DriverFacts {
  std::string version;        // of the loaded kernel module, "580.65.06"; "": none is loaded
  std::int64_t gpus = 0;      // NVIDIA's on the PCI bus
  bool device_files = false;  // /dev/nvidiactl is there
  bool wsl = false;           // Windows' subsystem for Linux, where Windows has the driver
};

// `root`: the folder that holds proc, sys and dev.
DriverFacts driver_facts(const std::filesystem::path& root = "/");

// The major version of the CUDA that this LibTorch was built for; 0: none.
int torch_cuda_version();

// The oldest driver that serves a major version of CUDA; 0: not known.
int least_driver(int cuda_version);

// Why these facts rule CUDA out, and what to do; "" where they do not.
std::string driver_problem(const DriverFacts& driver, int cuda_version);

// Whether the GPU that open_device() opened multiplies bfloat16 in hardware: those of compute
// capability 8.0 and later.
bool gpu_multiplies_bf16();

// driver_problem() once LibTorch has found no GPU, with what CUDA's runtime library says.
std::string why_no_cuda();

}  // namespace salf::tensor
