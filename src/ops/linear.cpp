#include <ATen/TensorOperators.h>
#include <ATen/core/dispatch/Dispatcher.h>
#include <ATen/ops/linear.h>
#include <ATen/ops/mm.h>
#include <torch/csrc/autograd/custom_function.h>

#include <string_view>
#include <utility>

#include "ops/operators.h"
#include "ops/rows.h"

namespace salf::ops {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

using OneDnnLinear = at::Tensor(const at::Tensor&, const at::Tensor&,
    const std::optional<at::Tensor>&, std::string_view, c10::List<std::optional<at::Scalar>>,
    std::optional<std::string_view>);

// oneDNN's product, an operator that LibTorch's compiler emits; nothing where it has no oneDNN.
const std::optional<c10::OperatorHandle>& one_dnn() {
  static const std::optional<c10::OperatorHandle> found =
      c10::Dispatcher::singleton().findSchema({"mkldnn::_linear_pointwise", ""});
  return found;
}

// Note [Matrix products]
// For float32, ATen multiplies by MKL. On an AMD processor with AVX-512, oneDNN was 5 to 15 %
// faster for a layer's products and 30 to 45 % for the head's; weights that are packed beforehand
// brought 2 % more for twice their memory (salf_bench_operators shows it on any machine).

// Whether product() serves this layer.
bool has_product(const at::Tensor& x, const at::Tensor& weight) {
  return is_plain(x) && is_plain(weight) && weight.dim() == 2 && x.numel() > 0 &&
         one_dnn().has_value();
}

// x [N, I] · weight [O, I]ᵀ + bias, without autograd. REQUIRES: has_product()
at::Tensor product(const at::Tensor& x, const at::Tensor& weight,
    const std::optional<at::Tensor>& bias = std::nullopt) {
  return one_dnn()->typed<OneDnnLinear>().call(
      x, weight, bias, "none", c10::List<std::optional<at::Scalar>>(), "");
}

at::Tensor as_rows(const at::Tensor& x) { return x.reshape({-1, x.size(-1)}); }

struct Linear : torch::autograd::Function<Linear> {
  static at::Tensor forward(AutogradContext* context, const at::Tensor& x, const at::Tensor& weight,
      const std::optional<at::Tensor>& bias) {
    context->save_for_backward({x, weight});
    context->saved_data["bias"] = bias.has_value();
    std::vector<std::int64_t> shape = x.sizes().vec();
    shape.back() = weight.size(0);
    return product(as_rows(x), weight, bias).view(shape);
  }

  static variable_list backward(AutogradContext* context, const variable_list& outer) {
    const auto saved = context->get_saved_variables();
    const at::Tensor dy = as_rows(outer[0]);
    variable_list gradients(3);
    if (context->needs_input_grad(0))
      gradients[0] = product(dy, saved[1].t()).view(saved[0].sizes());
    if (context->needs_input_grad(1)) gradients[1] = product(dy.t(), as_rows(saved[0]).t());
    const bool with_bias =
        context->saved_data["bias"].toBool();  // without one there is no third edge to ask for
    if (with_bias && context->needs_input_grad(2)) gradients[2] = dy.sum(0);
    return gradients;
  }
};

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

thread_local ProductWatch::See* watching = nullptr;

void show_product(const at::Tensor& x, const at::Tensor& weight) {
  if (watching != nullptr) (*watching)(x, weight);
}

}  // namespace

ProductWatch::ProductWatch(See see)
    : see_(std::move(see)), before_(std::exchange(watching, &see_)) {}
ProductWatch::~ProductWatch() { watching = before_; }

at::Tensor linear(
    const at::Tensor& x, const at::Tensor& weight, const std::optional<at::Tensor>& bias) {
  show_product(x, weight);
  return has_product(x, weight) ? Linear::apply(x, weight, bias) : at::linear(x, weight, bias);
}

at::Tensor lora_linear(const at::Tensor& x, const at::Tensor& weight,
    const std::optional<at::Tensor>& bias, const at::Tensor& a, const at::Tensor& b, double scale) {
  show_product(x, weight);
  if (has_product(x, weight) && !is_trained(weight) && !is_trained(bias)) {
    return LoraLinear::apply(x, weight, bias, a, b, scale);
  }
  return at::linear(x, weight, bias) + at::linear(at::linear(x, a), b) * scale;
}

}  // namespace salf::ops
