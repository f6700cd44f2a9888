#include <ATen/TensorOperators.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/silu.h>
#include <torch/csrc/autograd/custom_function.h>

#include "ops/device_operators.h"
#include "ops/operators.h"
#include "ops/row_kernels.h"
#include "ops/rows.h"

namespace salf::ops {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

struct SwiGlu : torch::autograd::Function<SwiGlu> {
  static at::Tensor forward(
      AutogradContext* context, const at::Tensor& gate, const at::Tensor& up) {
    const Rows gates(gate);
    const Rows ups(up);
    const at::Tensor y = at::empty(gate.sizes(), gate.options());
    const Rows results(y);
    for_rows(gates.count(), gates.width(), [&](std::int64_t first, std::int64_t last) {
      for (std::int64_t i = first; i < last; ++i) {
        row_kernels().swiglu(gates.row(i), ups.row(i), gates.width(), results.row(i));
      }
    });
    context->save_for_backward({gate, up});
    return y;
  }

  static variable_list backward(AutogradContext* context, const variable_list& outer) {
    const auto saved = context->get_saved_variables();
    const Rows gates(saved[0]);
    const Rows ups(saved[1]);
    const Rows gradients(outer[0]);
    const at::Tensor dgate = at::empty(saved[0].sizes(), saved[0].options());
    const at::Tensor dup = at::empty(saved[1].sizes(), saved[1].options());
    const Rows to_gate(dgate);
    const Rows to_up(dup);
    for_rows(gates.count(), gates.width(), [&](std::int64_t first, std::int64_t last) {
      for (std::int64_t i = first; i < last; ++i) {
        row_kernels().swiglu_backward(gradients.row(i), gates.row(i), ups.row(i), gates.width(),
            to_gate.row(i), to_up.row(i));
      }
    });
    return {dgate, dup};
  }
};

}  // namespace

at::Tensor swiglu(const at::Tensor& gate, const at::Tensor& up) {
  const bool alike = gate.sizes() == up.sizes() && gate.scalar_type() == up.scalar_type();
  if (alike && is_plain(gate) && is_plain(up)) return SwiGlu::apply(gate, up);
  if (const DeviceKernels* const kernels = device_kernels({gate, up}); alike && kernels != nullptr)
    return swiglu_by(*kernels, gate, up);
  return at::silu(gate) * up;
}

}  // namespace salf::ops
