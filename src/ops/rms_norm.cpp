#include <ATen/ops/empty.h>
#include <ATen/ops/rms_norm.h>
#include <ATen/ops/zeros.h>
#include <torch/csrc/autograd/custom_function.h>

#include "ops/device_operators.h"
#include "ops/operators.h"
#include "ops/row_kernels.h"
#include "ops/rows.h"

namespace salf::ops {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

struct RmsNorm : torch::autograd::Function<RmsNorm> {
  static at::Tensor forward(
      AutogradContext* context, const at::Tensor& x, const at::Tensor& weight, double epsilon) {
    const Rows rows(x);
    const at::Tensor scale = weight.contiguous();
    const at::Tensor y = at::empty(x.sizes(), x.options());
    const at::Tensor r = at::empty({rows.count()}, x.options());
    const Rows results(y);
    const auto* w = scale.const_data_ptr<float>();
    auto* inverse = r.data_ptr<float>();
    for_rows(rows.count(), rows.width(), [&](std::int64_t first, std::int64_t last) {
      for (std::int64_t i = first; i < last; ++i) {
        inverse[i] = row_kernels().rms_norm(
            rows.row(i), w, static_cast<float>(epsilon), rows.width(), results.row(i));
      }
    });
    context->save_for_backward({x, weight, r});
    return y;
  }

  static variable_list backward(AutogradContext* context, const variable_list& outer) {
    const auto saved = context->get_saved_variables();
    const Rows rows(saved[0]);
    const Rows gradients(outer[0]);
    const at::Tensor scale = saved[1].contiguous();
    const at::Tensor dx = at::empty(saved[0].sizes(), saved[0].options());
    const Rows results(dx);
    const bool with_weight = context->needs_input_grad(1);
    // One sum a thread, added in the threads' order: the same threads give the same bits.
    const at::Tensor sums =
        with_weight ? at::zeros({at::get_num_threads(), rows.width()}, saved[0].options())
                    : at::Tensor();
    const auto* w = scale.const_data_ptr<float>();
    const auto* r = saved[2].const_data_ptr<float>();
    for_rows(rows.count(), rows.width(), [&](std::int64_t first, std::int64_t last) {
      float* const sum =
          with_weight ? sums.data_ptr<float>() + at::get_thread_num() * rows.width() : nullptr;
      for (std::int64_t i = first; i < last; ++i) {
        row_kernels().rms_norm_backward(
            gradients.row(i), rows.row(i), w, r[i], rows.width(), results.row(i), sum);
      }
    });
    return {dx, with_weight ? sums.sum(0) : at::Tensor(), at::Tensor()};
  }
};

}  // namespace

at::Tensor rms_norm(const at::Tensor& x, const at::Tensor& weight, double epsilon) {
  if (is_plain(x) && is_plain(weight)) return RmsNorm::apply(x, weight, epsilon);
  const DeviceKernels* const kernels = device_kernels({x, weight});
  if (kernels != nullptr && weight.scalar_type() == at::kFloat)
    return rms_norm_by(*kernels, x, weight, epsilon, normed_type(x));
  return at::rms_norm(x, {x.size(-1)}, weight, epsilon);
}

}  // namespace salf::ops
