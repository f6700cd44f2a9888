#include <ATen/TensorOperators.h>
#include <ATen/ops/addmm.h>
#include <ATen/ops/linear.h>
#include <ATen/ops/mm.h>
#include <torch/csrc/autograd/custom_function.h>

#include "ops/operators.h"
#include "ops/products.h"

namespace salf::ops {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

struct LoraLinear : torch::autograd::Function<LoraLinear> {
  static at::Tensor forward(AutogradContext* context, const at::Tensor& x, const at::Tensor& weight,
      const std::optional<at::Tensor>& bias, const at::Tensor& a, const at::Tensor& b,
      double scale) {
    const at::Tensor rows = as_rows(x);
    const at::Tensor low = product(rows, a);  // [N, R]
    at::Tensor y = product(rows, weight, bias);
    y.addmm_(low, b.t(), 1, scale);
    context->save_for_backward({x, weight, a, b, low});
    context->saved_data["scale"] = scale;
    std::vector<std::int64_t> shape = x.sizes().vec();
    shape.back() = weight.size(0);
    return y.view(shape);
  }

  static variable_list backward(AutogradContext* context, const variable_list& outer) {
    const auto saved = context->get_saved_variables();
    const at::Tensor &x = saved[0], &weight = saved[1], &a = saved[2], &b = saved[3],
                     &low = saved[4];
    const double scale = context->saved_data["scale"].toDouble();
    const at::Tensor dy = as_rows(outer[0]);
    const at::Tensor dlow = product(dy, b.t()).mul_(scale);  // [N, R]
    variable_list gradients(6);
    if (context->needs_input_grad(0)) {
      gradients[0] = product(dy, weight.t()).addmm_(dlow, a).view(x.sizes());
    }
    gradients[3] = at::mm(dlow.t(), as_rows(x));
    gradients[4] = at::mm(dy.t(), low).mul_(scale);
    return gradients;
  }
};

bool is_trained(const std::optional<at::Tensor>& tensor) {
  return tensor.has_value() && tensor->defined() && tensor->requires_grad();
}

}  // namespace

at::Tensor lora_linear(const at::Tensor& x, const at::Tensor& weight,
    const std::optional<at::Tensor>& bias, const at::Tensor& a, const at::Tensor& b, double scale) {
  show_product(x, weight);
  if (has_product(x, weight) && !is_trained(weight) && !is_trained(bias)) {
    return LoraLinear::apply(x, weight, bias, a, b, scale);
  }
  return at::linear(x, weight, bias) + at::linear(at::linear(x, a), b) * scale;
}

}  // namespace salf::ops
