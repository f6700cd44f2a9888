// Differentiable operators by a table of kernels. operators.h says what each one computes.
#pragma once

#include <ATen/core/Tensor.h>

#include <initializer_list>
#include <string>

#include "ops/device_kernels.h"

namespace salf::ops {

// The kernels of libsalf_cuda.so, or why ATen's operators take their place: the library is missing,
// of another version, or cannot start a kernel on this GPU.
struct DeviceLibrary {
  const DeviceKernels* kernels = nullptr;
  std::string problem;  // "" with kernels
};
// Opened once, without asking for a GPU.
const DeviceLibrary& device_library();
// The same after a trial on the GPU that is asked for first. Throws c10::Error where that does not
// answer.
const DeviceLibrary& device_library(c10::Device device);

// The kernels of libsalf_cuda.so where they serve all these tensors: on one GPU, float32 or
// bfloat16. Otherwise nullptr, also where there are none (logged once).
const DeviceKernels* device_kernels(std::initializer_list<at::Tensor> tensors);

// The same functions on the CPU, by the kernels of row_kernels.h.
const DeviceKernels& cpu_kernels();

// Each throws c10::Error where CUDA does not start the kernel. `weight`, `cos` and `sin` are
// float32, the others float32 or bfloat16, all in the memory that the kernels work on. The tensors
// of one call that have no fixed type have the same.
at::Tensor rms_norm_by(
    const DeviceKernels& kernels, const at::Tensor& x, const at::Tensor& weight, double epsilon);
at::Tensor swiglu_by(const DeviceKernels& kernels, const at::Tensor& gate, const at::Tensor& up);
// `x` [A, B, E, C], C even. Element i of a head turns with element i + C/2.
at::Tensor rotary_by(const DeviceKernels& kernels, const at::Tensor& x, const at::Tensor& cos,
    const at::Tensor& sin);
// `logits` [N, V] float32. `gradient` [N, V] float32 or bfloat16.
at::Tensor cross_entropy_by_(const DeviceKernels& kernels, at::Tensor& gradient,
    const at::Tensor& logits, const at::Tensor& labels, double scale);

}  // namespace salf::ops
