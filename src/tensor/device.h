// The device, its libraries and its threads.
#pragma once

#include <c10/core/Device.h>

#include <cstdint>
#include <exception>
#include <filesystem>
#include <optional>
#include <string>

#include "core/error.h"

namespace salf::tensor {

// "cpu", "cuda" or "cuda:N"; "cuda" is "cuda:`rank`", of the ranks on this machine. For CUDA it
// calls load_cuda_part(). Throws Error(kUsage) for another text, Error(kIo) with the reason for no
// CUDA.
c10::Device open_device(const std::string& text, std::int64_t rank = 0);

// Opens libtorch_cuda.so. Returns "", or why it does not load. Nothing may ask torch about CUDA
// before.
std::string load_cuda_part();

// The GPUs that CUDA shows. REQUIRES: load_cuda_part() opened the library
std::int64_t gpu_count();

// The file of the libtorch_cpu.so that runs now; empty where the loader does not tell.
std::filesystem::path torch_library();

// Physical cores that the process may use by its processor mask; 0: not known.
std::int64_t usable_cores();

// Threads within an operator. 0: OMP_NUM_THREADS where that is set, else as many as usable_cores(),
// within the processor time that the control group allows. `sharing` processes have these cores:
// the threads are a share of them then, also where a launcher set OMP_NUM_THREADS to 1, as torchrun
// does. Throws Error(kUsage) below 0 and above 4096.
void set_threads(std::int64_t threads, std::int64_t sharing = 1);
std::int64_t threads();

// The processor's units for products of bfloat16, as /proc/cpuinfo names them: "amx_bf16",
// "avx512_bf16" or "".
std::string bf16_units();

// Waits for the work of a CUDA device. No effect on the CPU.
void synchronize(c10::Device device);

// The message of a c10::Error without its backtrace, or what().
std::string error_text(const std::exception& error);

// What to tell the user (kMemory) where the machine or the GPU ran out of memory; nothing where
// `error` is another one.
std::optional<Error> out_of_memory(const std::exception& error);

}  // namespace salf::tensor
