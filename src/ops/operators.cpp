#include "ops/operators.h"

#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/_log_softmax.h>
#include <ATen/ops/full_like.h>
#include <ATen/ops/layer_norm.h>
#include <ATen/ops/matmul.h>
#include <ATen/ops/result_type.h>
#include <ATen/ops/rms_norm.h>
#include <ATen/ops/roll.h>
#include <ATen/ops/silu.h>
#include <torch/library.h>

#include "ops/attention.h"
#include "ops/device_operators.h"
#include "ops/key_value_cache.h"
#include "ops/rows.h"
#include "tensor/shapes.h"

namespace salf::ops {
namespace {

// The kernels that serve all these tensors; nullptr where ATen must.
const DeviceKernels* kernels_for(std::initializer_list<at::Tensor> tensors) {
  for (const at::Tensor& x : tensors) {
    if (!is_own(x)) return device_kernels(tensors);
  }
  return &cpu_kernels();
}

}  // namespace

at::Tensor rms_norm(const at::Tensor& x, const at::Tensor& weight, double epsilon) {
  const DeviceKernels* const kernels = kernels_for({x, weight});
  if (kernels != nullptr) return rms_norm_by(*kernels, x, weight.to(at::kFloat), epsilon);
  if (weight.scalar_type() == x.scalar_type())
    return at::rms_norm(x, {x.size(-1)}, weight, epsilon);
  const at::Tensor wide = x.to(weight.scalar_type());
  return at::rms_norm(wide, {x.size(-1)}, weight, epsilon).to(x.scalar_type());
}

at::Tensor swiglu(const at::Tensor& gate, const at::Tensor& up) {
  const bool alike = gate.sizes() == up.sizes() && gate.scalar_type() == up.scalar_type();
  const DeviceKernels* const kernels = alike ? kernels_for({gate, up}) : nullptr;
  return kernels != nullptr ? swiglu_by(*kernels, gate, up) : at::silu(gate) * up;
}

at::Tensor rotary(
    const at::Tensor& x, const at::Tensor& cos, const at::Tensor& sin, std::int64_t shift) {
  const bool heads = x.dim() == 4 && cos.dim() <= 4 && sin.dim() <= 4;
  const bool halves =
      x.size(-1) == 2 * shift && cos.size(-1) == 2 * shift && sin.size(-1) == 2 * shift;
  const DeviceKernels* const kernels = heads && halves ? kernels_for({x, cos, sin}) : nullptr;
  if (kernels != nullptr) return rotary_by(*kernels, x, cos.to(at::kFloat), sin.to(at::kFloat));
  return (x * cos + x.roll({shift}, {-1}) * sin).to(x.scalar_type());
}

at::Tensor matmul(const at::Tensor& a, const at::Tensor& b) {
  if (a.scalar_type() == b.scalar_type()) return at::matmul(a, b);
  const bool narrow = a.scalar_type() == at::kBFloat16 || b.scalar_type() == at::kBFloat16;
  const at::ScalarType type = narrow ? at::kBFloat16 : at::result_type(a, b);
  return at::matmul(a.to(type), b.to(type));
}

at::Tensor layer_norm(const at::Tensor& x, at::IntArrayRef shape,
    const std::optional<at::Tensor>& weight, const std::optional<at::Tensor>& bias, double epsilon,
    bool cudnn) {
  const bool mixed = weight.has_value() && weight->scalar_type() != x.scalar_type();
  if (!mixed || is_bfloat16_on_cpu(x))
    return at::layer_norm(x, shape, weight, bias, epsilon, cudnn);
  return at::layer_norm(x.to(weight->scalar_type()), shape, weight, bias, epsilon, cudnn)
      .to(x.scalar_type());
}

at::Tensor state(const at::Tensor& x) { return x; }

at::Tensor cross_entropy_(
    at::Tensor& gradient, const at::Tensor& logits, const at::Tensor& labels, double scale) {
  tensor::check_shape(logits, {labels.size(0), tensor::kAny}, "logits");
  const at::NoGradGuard quiet;
  const DeviceKernels* const kernels = kernels_for({logits, gradient});
  const bool laid_out = logits.is_contiguous() && gradient.is_contiguous();
  if (kernels != nullptr && logits.scalar_type() == at::kFloat && laid_out)
    return cross_entropy_by_(*kernels, gradient, logits, labels, scale);
  const at::Tensor target = labels.unsqueeze(1);
  at::Tensor scores = at::_log_softmax(logits, 1, false);
  const at::Tensor loss = -scores.gather(1, target).sum(at::kDouble);
  scores.exp_().scatter_add_(1, target, at::full_like(target, -1.0, scores.options()));
  gradient.copy_(scores.mul_(scale));
  return loss;
}

void register_operators() {
  // The linker would drop a static registration with the rest of an unused object file.
  static const torch::Library library = [] {
    torch::Library made(torch::Library::DEF, "salf", std::nullopt, __FILE__, __LINE__);
    const auto differentiable = c10::DispatchKey::CompositeImplicitAutograd;
    made.def("linear(Tensor x, Tensor weight, Tensor? bias, Tensor? narrow=None) -> Tensor",
        torch::dispatch(differentiable, TORCH_FN(linear)));
    made.def(
        "lora_linear(Tensor x, Tensor weight, Tensor? bias, Tensor a, Tensor b, float scale, "
        "Tensor? narrow=None) -> Tensor",
        torch::dispatch(differentiable, TORCH_FN(lora_linear)));
    made.def("rms_norm(Tensor x, Tensor weight, float epsilon) -> Tensor",
        torch::dispatch(differentiable, TORCH_FN(rms_norm)));
    made.def("swiglu(Tensor gate, Tensor up) -> Tensor",
        torch::dispatch(differentiable, TORCH_FN(swiglu)));
    made.def("rotary(Tensor x, Tensor cos, Tensor sin, int shift) -> Tensor",
        torch::dispatch(differentiable, TORCH_FN(rotary)));
    made.def(
        "matmul(Tensor a, Tensor b) -> Tensor", torch::dispatch(differentiable, TORCH_FN(matmul)));
    made.def(
        "layer_norm(Tensor x, int[] shape, Tensor? weight=None, Tensor? bias=None, "
        "float epsilon=1e-05, bool cudnn=True) -> Tensor",
        torch::dispatch(differentiable, TORCH_FN(layer_norm)));
    made.def("state(Tensor(a) x) -> Tensor(a)", torch::dispatch(differentiable, TORCH_FN(state)));
    made.def(
        "attention(Tensor q, Tensor k, Tensor v, Tensor? mask=None, float dropout=0.0, "
        "bool is_causal=False, float? scale=None, bool grouped=False, Tensor? segments=None) -> "
        "Tensor",
        torch::dispatch(differentiable, TORCH_FN(attention)));
    made.def(
        "remembered(Tensor x) -> Tensor", torch::dispatch(differentiable, TORCH_FN(remembered)));
    made.def("restart_positions(Tensor positions, Tensor? segments) -> Tensor",
        torch::dispatch(differentiable, TORCH_FN(restart_positions)));
    return made;
  }();
}

}  // namespace salf::ops
