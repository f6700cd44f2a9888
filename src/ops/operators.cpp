#include "ops/operators.h"

#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/_log_softmax.h>
#include <ATen/ops/full_like.h>
#include <ATen/ops/rms_norm.h>
#include <ATen/ops/roll.h>
#include <ATen/ops/silu.h>
#include <torch/library.h>

#include "ops/attention.h"
#include "ops/device_operators.h"
#include "ops/rows.h"
#include "tensor/shapes.h"

namespace salf::ops {
namespace {

// The kernels that serve all these tensors; nullptr where ATen must.
const DeviceKernels* kernels_for(std::initializer_list<at::Tensor> tensors) {
  for (const at::Tensor& x : tensors) {
    if (!is_plain(x)) return device_kernels(tensors);
  }
  return &cpu_kernels();
}

}  // namespace

at::Tensor rms_norm(const at::Tensor& x, const at::Tensor& weight, double epsilon) {
  const DeviceKernels* const kernels = kernels_for({x, weight});
  if (kernels == nullptr || weight.scalar_type() != at::kFloat)
    return at::rms_norm(x, {x.size(-1)}, weight, epsilon);
  return rms_norm_by(*kernels, x, weight, epsilon, is_plain(x) ? at::kFloat : normed_type(x));
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
  return x * cos + x.roll({shift}, {-1}) * sin;
}

at::Tensor cross_entropy_(at::Tensor& logits, const at::Tensor& labels, double scale) {
  tensor::check_shape(logits, {labels.size(0), tensor::kAny}, "logits");
  const at::NoGradGuard quiet;
  const DeviceKernels* const kernels = kernels_for({logits});
  if (kernels != nullptr && logits.scalar_type() == at::kFloat && logits.is_contiguous())
    return cross_entropy_by_(*kernels, logits, labels, scale);
  const at::Tensor target = labels.unsqueeze(1);
  at::Tensor scores = at::_log_softmax(logits, 1, false);
  const at::Tensor loss = -scores.gather(1, target).sum(at::kDouble);
  scores.exp_().scatter_add_(1, target, at::full_like(target, -1.0, scores.options()));
  logits.copy_(scores.mul_(scale));
  return loss;
}

void register_operators() {
  // The linker would drop a static registration with the rest of an unused object file.
  static const torch::Library library = [] {
    torch::Library made(torch::Library::DEF, "salf", std::nullopt, __FILE__, __LINE__);
    const auto differentiable = c10::DispatchKey::CompositeImplicitAutograd;
    made.def("linear(Tensor x, Tensor weight, Tensor? bias) -> Tensor",
        torch::dispatch(differentiable, TORCH_FN(linear)));
    made.def(
        "lora_linear(Tensor x, Tensor weight, Tensor? bias, Tensor a, Tensor b, float scale) -> "
        "Tensor",
        torch::dispatch(differentiable, TORCH_FN(lora_linear)));
    made.def("rms_norm(Tensor x, Tensor weight, float epsilon) -> Tensor",
        torch::dispatch(differentiable, TORCH_FN(rms_norm)));
    made.def("swiglu(Tensor gate, Tensor up) -> Tensor",
        torch::dispatch(differentiable, TORCH_FN(swiglu)));
    made.def("rotary(Tensor x, Tensor cos, Tensor sin, int shift) -> Tensor",
        torch::dispatch(differentiable, TORCH_FN(rotary)));
    made.def(
        "attention(Tensor q, Tensor k, Tensor v, Tensor? mask=None, float dropout=0.0, "
        "bool is_causal=False, float? scale=None, bool grouped=False, Tensor? segments=None) -> "
        "Tensor",
        torch::dispatch(differentiable, TORCH_FN(attention)));
    made.def("restart_positions(Tensor positions, Tensor? segments) -> Tensor",
        torch::dispatch(differentiable, TORCH_FN(restart_positions)));
    return made;
  }();
}

}  // namespace salf::ops
