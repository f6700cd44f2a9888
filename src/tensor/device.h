// The device and its libraries, threads and autocast.
#pragma once

#include <c10/core/Device.h>
#include <c10/core/ScalarType.h>

#include <cstdint>
#include <exception>
#include <string>

namespace salf::tensor {

// "cpu", "cuda" or "cuda:N". For CUDA it opens libtorch_cuda.so; nothing may ask torch about CUDA
// before. Throws Error(kUsage) for another text, Error(kIo) with the reason for no CUDA.
c10::Device open_device(const std::string& text);

// Threads within an operator. 0: OMP_NUM_THREADS where that is set, else the physical cores that
// the process may use. Throws Error(kUsage) below 0 and above 4096.
void set_threads(std::int64_t threads);
std::int64_t threads();

// While it lives, operators on `device` autocast to `dtype`; float32 has no effect. The end of the
// outermost guard clears the cache of casts, so that changed weights are cast again. Throws
// Error(kUsage) unless dtype is float32, bfloat16 or float16.
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

// Waits for the work of a CUDA device. No effect on the CPU.
void synchronize(c10::Device device);

// The message of a c10::Error without its backtrace, or what().
std::string error_text(const std::exception& error);

}  // namespace salf::tensor
