// On what does it run? The device and its libraries, threads and autocast.
#pragma once

#include <c10/core/Device.h>
#include <c10/core/ScalarType.h>

#include <cstdint>
#include <exception>
#include <string>

namespace salf::tensor {

// "cpu", "cuda" or "cuda:N". For CUDA libtorch_cuda.so is opened here (before anything asks torch
// whether it has CUDA). Throws Error(kUsage) for another text, Error(kIo) with the reason where
// CUDA cannot be used.
c10::Device open_device(const std::string& text);

// Intra-operator threads; 0 means OMP_NUM_THREADS where that is set, else as many as the process
// may use physical cores. Throws Error(kUsage) below 0 and above 4096.
void set_threads(std::int64_t threads);
std::int64_t threads();

// Within its life, operators on `device` autocast to `dtype` (nothing when dtype is float32). The
// cast cache is cleared at the end of the outermost guard, so that weights changed by an optimizer
// step are cast again. Throws Error(kUsage) unless dtype is float32, bfloat16 or float16.
class AutocastGuard {
 public:
  AutocastGuard(c10::Device device, c10::ScalarType dtype);
  ~AutocastGuard();
  AutocastGuard(const AutocastGuard&) = delete;
  AutocastGuard& operator=(const AutocastGuard&) = delete;

 private:
  c10::DeviceType device_;
  bool active_ = false;
  bool previous_ = false;
  c10::ScalarType previous_dtype_;
};

// Waits until the device has done its work (CUDA); nothing on the CPU.
void synchronize(c10::Device device);

// The message of a c10::Error without its backtrace, or what().
std::string error_text(const std::exception& error);

}  // namespace salf::tensor
