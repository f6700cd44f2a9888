#include "ops/adamw.h"

#include <ATen/Parallel.h>

#include <algorithm>
#include <cmath>

#include "ops/row_kernels.h"
#include "ops/rows.h"

namespace salf::ops {

bool has_adamw(const at::Tensor& weight) {
  return is_float_on_cpu(weight) && weight.is_contiguous();
}

void adamw_(const at::Tensor& weight, const at::Tensor& gradient, const at::Tensor& first,
    const at::Tensor& second, const at::Tensor& copy, const AdamWUpdate& update) {
  constexpr std::int64_t kStretch = 16384;
  AdamWStep step{};
  step.keep = static_cast<float>(1.0 - update.learning_rate * update.weight_decay);
  step.step_size =
      static_cast<float>(update.learning_rate / (1.0 - std::pow(update.beta1, update.step)));
  step.root_scale = static_cast<float>(1.0 / std::sqrt(1.0 - std::pow(update.beta2, update.step)));
  step.beta1 = static_cast<float>(update.beta1);
  step.beta2 = static_cast<float>(update.beta2);
  step.epsilon = static_cast<float>(update.epsilon);
  step.gradient_factor = static_cast<float>(1.0 / update.divisor);
  const at::Tensor slope = gradient.contiguous();
  const float* const g = slope.const_data_ptr<float>();
  float* const w = weight.mutable_data_ptr<float>();
  float* const m = first.mutable_data_ptr<float>();
  float* const v = second.mutable_data_ptr<float>();
  auto* const narrow =
      copy.defined() ? static_cast<BFloat16Bits*>(copy.mutable_data_ptr()) : nullptr;
  const std::int64_t size = weight.numel();
  at::parallel_for(
      0, (size + kStretch - 1) / kStretch, 1, [&](std::int64_t begin, std::int64_t end) {
        const std::int64_t i = begin * kStretch;
        const std::int64_t width = std::min(end * kStretch, size) - i;
        row_kernels().adamw(
            step, g + i, width, w + i, m + i, v + i, narrow == nullptr ? nullptr : narrow + i);
      });
  weight.unsafeGetTensorImpl()->bump_version();
}

}  // namespace salf::ops
