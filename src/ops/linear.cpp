#include <ATen/TensorOperators.h>
#include <ATen/core/dispatch/Dispatcher.h>
#include <ATen/ops/linear.h>
#include <ATen/ops/mm.h>
#include <torch/csrc/autograd/custom_function.h>

#include <string_view>
#include <utility>

#include "ops/bf16_products.h"
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
// brought 2 % more for twice their memory (salf_bench_operators shows it on any machine). A
// gradient of a weight by bf16_products.h took two thirds of the time of oneDNN's own product,
// which turns its factors slowly and rounds the result.

// Whether product() serves factors of this type. On a GPU it is ATen's: of bfloat16, so that the
// weight's copy serves forward and backward pass and no other one is made.
bool has_product(const at::Tensor& x, const at::Tensor& weight) {
  if (x.device() != weight.device() || weight.dim() != 2 || x.numel() == 0) return false;
  if (!x.device().is_cpu()) return x.scalar_type() == at::kBFloat16;
  const bool served = (is_float_on_cpu(x) && is_float_on_cpu(weight)) ||
                      (is_bfloat16_on_cpu(x) && has_bf16_products());
  return served && one_dnn().has_value();
}

// x [N, I] · weight [O, I]ᵀ + bias, without autograd. REQUIRES: has_product(), and one type
at::Tensor product(const at::Tensor& x, const at::Tensor& weight,
    const std::optional<at::Tensor>& bias = std::nullopt) {
  if (!x.device().is_cpu()) return at::linear(x, weight, bias);
  return one_dnn()->typed<OneDnnLinear>().call(
      x, weight, bias, "none", c10::List<std::optional<at::Scalar>>(), "");
}

// The gradient of a weight: dyᵀ x, in the type of the weight.
at::Tensor gradient_of_weight(const at::Tensor& dy, const at::Tensor& x, at::ScalarType type) {
  const bool narrow = dy.scalar_type() == at::kBFloat16;
  return (narrow ? weight_gradient(dy, x) : product(dy.t(), x.t())).to(type);
}

std::optional<at::Tensor> in_type(const std::optional<at::Tensor>& tensor, at::ScalarType type) {
  const bool present = tensor.has_value() && tensor->defined();
  return present ? std::optional<at::Tensor>(tensor->to(type)) : std::nullopt;
}

at::Tensor as_rows(const at::Tensor& x) { return x.reshape({-1, x.size(-1)}); }

struct Linear : torch::autograd::Function<Linear> {
  // `factor`: the weight in the type of x.
  static at::Tensor forward(AutogradContext* context, const at::Tensor& x, const at::Tensor& weight,
      const std::optional<at::Tensor>& bias, const at::Tensor& factor) {
    context->save_for_backward({x, factor});
    context->saved_data["bias"] = bias.has_value();
    context->saved_data["type"] = static_cast<std::int64_t>(weight.scalar_type());
    std::vector<std::int64_t> shape = x.sizes().vec();
    shape.back() = weight.size(0);
    return product(as_rows(x), factor, in_type(bias, x.scalar_type())).view(shape);
  }

  static variable_list backward(AutogradContext* context, const variable_list& outer) {
    const auto saved = context->get_saved_variables();
    const auto type = static_cast<at::ScalarType>(context->saved_data["type"].toInt());
    const at::Tensor dy = as_rows(outer[0]);
    variable_list gradients(4);
    if (context->needs_input_grad(0))
      gradients[0] = product(dy, saved[1].t()).view(saved[0].sizes());
    if (context->needs_input_grad(1))
      gradients[1] = gradient_of_weight(dy, as_rows(saved[0]), type);
    const bool with_bias =
        context->saved_data["bias"].toBool();  // without one there is no third edge to ask for
    if (with_bias && context->needs_input_grad(2)) gradients[2] = dy.sum(0, false, type);
    return gradients;
  }
};

struct LoraLinear : torch::autograd::Function<LoraLinear> {
  static at::Tensor forward(AutogradContext* context, const at::Tensor& x, const at::Tensor& factor,
      const std::optional<at::Tensor>& bias, const at::Tensor& a, const at::Tensor& b,
      double scale) {
    const at::ScalarType type = x.scalar_type();
    const at::Tensor rows = as_rows(x);
    const at::Tensor down = a.to(type), up = b.to(type);
    const at::Tensor low = product(rows, down);  // [N, R]
    at::Tensor y = product(rows, factor, in_type(bias, type));
    y.addmm_(low, up.t(), 1, scale);
    context->save_for_backward({x, factor, down, up, low});
    context->saved_data["scale"] = scale;
    context->saved_data["type"] = static_cast<std::int64_t>(a.scalar_type());
    std::vector<std::int64_t> shape = x.sizes().vec();
    shape.back() = factor.size(0);
    return y.view(shape);
  }

  static variable_list backward(AutogradContext* context, const variable_list& outer) {
    const auto saved = context->get_saved_variables();
    const at::Tensor &x = saved[0], &factor = saved[1], &down = saved[2], &up = saved[3],
                     &low = saved[4];
    const double scale = context->saved_data["scale"].toDouble();
    const auto type = static_cast<at::ScalarType>(context->saved_data["type"].toInt());
    const at::Tensor dy = as_rows(outer[0]);
    const at::Tensor dlow = product(dy, up.t()).mul_(scale);  // [N, R]
    variable_list gradients(6);
    if (context->needs_input_grad(0))
      gradients[0] = product(dy, factor.t()).addmm_(dlow, down).view(x.sizes());
    gradients[3] = gradient_of_weight(dlow, as_rows(x), type);
    gradients[4] = gradient_of_weight(dy, low, type).mul_(scale);
    return gradients;
  }
};

bool is_trained(const std::optional<at::Tensor>& tensor) {
  return tensor.has_value() && tensor->defined() && tensor->requires_grad();
}

// The weight in the type of x, detached where it is a copy.
at::Tensor factor_of(
    const at::Tensor& x, const at::Tensor& weight, const std::optional<at::Tensor>& narrow) {
  if (weight.scalar_type() == x.scalar_type()) return weight;
  const bool fits =
      narrow.has_value() && narrow->defined() && narrow->scalar_type() == x.scalar_type();
  return fits ? *narrow : weight.detach().to(x.scalar_type());
}

// By ATen; x and the weight in one type.
at::Tensor plain_linear(const at::Tensor& x, const at::Tensor& weight,
    const std::optional<at::Tensor>& bias, const std::optional<at::Tensor>& narrow) {
  const at::ScalarType type = x.scalar_type();
  const at::Tensor factor = is_trained(weight) ? weight.to(type) : factor_of(x, weight, narrow);
  return at::linear(x, factor, in_type(bias, type));
}

thread_local ProductWatch::See* watching = nullptr;

void show_product(const at::Tensor& x, const at::Tensor& weight) {
  if (watching != nullptr) (*watching)(x, weight);
}

}  // namespace

ProductWatch::ProductWatch(See see)
    : see_(std::move(see)), before_(std::exchange(watching, &see_)) {}
ProductWatch::~ProductWatch() { watching = before_; }

at::Tensor linear(const at::Tensor& x, const at::Tensor& weight,
    const std::optional<at::Tensor>& bias, const std::optional<at::Tensor>& narrow) {
  show_product(x, weight);
  if (!has_product(x, weight)) return plain_linear(x, weight, bias, narrow);
  return Linear::apply(x, weight, bias, factor_of(x, weight, narrow));
}

at::Tensor lora_linear(const at::Tensor& x, const at::Tensor& weight,
    const std::optional<at::Tensor>& bias, const at::Tensor& a, const at::Tensor& b, double scale,
    const std::optional<at::Tensor>& narrow) {
  show_product(x, weight);
  if (has_product(x, weight) && !is_trained(weight) && !is_trained(bias))
    return LoraLinear::apply(x, factor_of(x, weight, narrow), bias, a, b, scale);
  const at::ScalarType type = x.scalar_type();
  return plain_linear(x, weight, bias, narrow) +
         at::linear(at::linear(x, a.to(type)), b.to(type)) * scale;
}

}  // namespace salf::ops
