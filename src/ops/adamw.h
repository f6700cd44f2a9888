// One step of AdamW (Loshchilov, Hutter, ICLR 2019, arXiv 1711.05101) on one weight, in one pass
// over memory.
#pragma once

#include <ATen/core/Tensor.h>

namespace salf::ops {

struct AdamWUpdate {
  double learning_rate = 0.0;
  double weight_decay = 0.0;
  double beta1 = 0.9, beta2 = 0.999;
  double epsilon = 1e-8;
  double step = 1.0;     // t, from 1
  double divisor = 1.0;  // of the gradient
};

// Whether adamw_ serves this weight: float32 on the CPU, contiguous.
bool has_adamw(const at::Tensor& weight);

// m = β1 m + (1 − β1) g, v = β2 v + (1 − β2) g², w = (1 − η λ) w − η m̂ / (√v̂ + ε). All float32 of
// one size and contiguous but for the gradient; `copy` takes the new weight in bfloat16 where it is
// defined. The weight's version is raised.
void adamw_(const at::Tensor& weight, const at::Tensor& gradient, const at::Tensor& first,
    const at::Tensor& second, const at::Tensor& copy, const AdamWUpdate& update);

}  // namespace salf::ops
