#include <ATen/core/grad_mode.h>
#include <ATen/ops/_log_softmax.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/full_like.h>

#include "ops/device_operators.h"
#include "ops/operators.h"
#include "ops/row_kernels.h"
#include "ops/rows.h"
#include "tensor/shapes.h"

namespace salf::ops {

at::Tensor cross_entropy_(at::Tensor& logits, const at::Tensor& labels, double scale) {
  tensor::check_shape(logits, {labels.size(0), tensor::kAny}, "logits");
  const at::NoGradGuard quiet;
  if (is_plain(logits) && logits.is_contiguous()) {
    const Rows rows(logits);
    const at::Tensor targets = labels.contiguous();
    const auto* label = targets.const_data_ptr<std::int64_t>();
    const at::Tensor losses = at::empty({rows.count()}, at::kDouble);
    auto* loss = losses.data_ptr<double>();
    for_rows(rows.count(), rows.width(), [&](std::int64_t first, std::int64_t last) {
      for (std::int64_t i = first; i < last; ++i) {
        loss[i] = row_kernels().cross_entropy(
            rows.row(i), label[i], static_cast<float>(scale), rows.width());
      }
    });
    return losses.sum();
  }
  const DeviceKernels* const kernels = device_kernels({logits});
  if (kernels != nullptr && logits.scalar_type() == at::kFloat && logits.is_contiguous()) {
    return cross_entropy_by_(*kernels, logits, labels, scale);
  }
  const at::Tensor target = labels.unsqueeze(1);
  at::Tensor scores = at::_log_softmax(logits, 1, false);
  const at::Tensor loss = -scores.gather(1, target).sum(at::kDouble);
  scores.exp_().scatter_add_(1, target, at::full_like(target, -1.0, scores.options()));
  logits.copy_(scores.mul_(scale));
  return loss;
}

}  // namespace salf::ops
