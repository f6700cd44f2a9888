#include <ATen/core/dispatch/Dispatcher.h>
#include <ATen/ops/linear.h>
#include <torch/csrc/autograd/custom_function.h>

#include <string_view>
#include <utility>

#include "ops/operators.h"
#include "ops/product_watch.h"
#include "ops/products.h"
#include "ops/rows.h"

namespace salf::ops {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

using OneDnnLinear = at::Tensor(const at::Tensor&, const at::Tensor&,
    const std::optional<at::Tensor>&, std::string_view, c10::List<std::optional<at::Scalar>>,
    std::optional<std::string_view>);

// oneDNN's product, which LibTorch has as the operator that its compiler emits; nothing where it
// was built without.
const std::optional<c10::OperatorHandle>& one_dnn() {
  static const std::optional<c10::OperatorHandle> found =
      c10::Dispatcher::singleton().findSchema({"mkldnn::_linear_pointwise", ""});
  return found;
}

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

}  // namespace

// Note [Matrix products]
// For float32, ATen multiplies by MKL. On an AMD processor with AVX-512, oneDNN was 5 to 15 %
// faster for a layer's products and 30 to 45 % for the head's; weights that are packed beforehand
// brought 2 % more for twice their memory (salf_bench_operators shows it on any machine).
bool has_product(const at::Tensor& x, const at::Tensor& weight) {
  return is_plain(x) && is_plain(weight) && weight.dim() == 2 && x.numel() > 0 &&
         one_dnn().has_value();
}

at::Tensor product(
    const at::Tensor& x, const at::Tensor& weight, const std::optional<at::Tensor>& bias) {
  return one_dnn()->typed<OneDnnLinear>().call(
      x, weight, bias, "none", c10::List<std::optional<at::Scalar>>(), "");
}

namespace {
thread_local ProductWatch::See* watching = nullptr;
}

ProductWatch::ProductWatch(See see)
    : see_(std::move(see)), before_(std::exchange(watching, &see_)) {}
ProductWatch::~ProductWatch() { watching = before_; }

void show_product(const at::Tensor& x, const at::Tensor& weight) {
  if (watching != nullptr) (*watching)(x, weight);
}

at::Tensor linear(
    const at::Tensor& x, const at::Tensor& weight, const std::optional<at::Tensor>& bias) {
  show_product(x, weight);
  return has_product(x, weight) ? Linear::apply(x, weight, bias) : at::linear(x, weight, bias);
}

}  // namespace salf::ops
