// Who runs an operator on a GPU? Differentiable operators by a table of kernels; what they compute
// is said in salf/ops/operators.h.
#pragma once

#include <ATen/core/Tensor.h>

#include <initializer_list>

#include "ops/device_kernels.h"

namespace salf::ops {

// The kernels of libsalf_cuda.so where they serve all these tensors: on one GPU, float32 or
// bfloat16. nullptr elsewhere, and where that library is not installed or does not load (said once,
// in the log).
const DeviceKernels* device_kernels(std::initializer_list<at::Tensor> tensors);

// What rms_norm gives: the type that autocast multiplies in, so that no product has to cast it
// again; else that of x.
at::ScalarType normed_type(const at::Tensor& x);

// Each throws c10::Error where CUDA does not start the kernel. `weight`, `cos` and `sin` are
// float32, what else is given float32 or bfloat16, all in the memory that the kernels work on.
// `gate` and `up` are of one type.
at::Tensor rms_norm_by(const DeviceKernels& kernels, const at::Tensor& x, const at::Tensor& weight,
    double epsilon, at::ScalarType result);
at::Tensor swiglu_by(const DeviceKernels& kernels, const at::Tensor& gate, const at::Tensor& up);
// `x` [A, B, E, C], C even; element i of a head turns with i + C/2.
at::Tensor rotary_by(const DeviceKernels& kernels, const at::Tensor& x, const at::Tensor& cos,
    const at::Tensor& sin);
// `logits` float32.
at::Tensor cross_entropy_by_(
    const DeviceKernels& kernels, at::Tensor& logits, const at::Tensor& labels, double scale);

}  // namespace salf::ops
