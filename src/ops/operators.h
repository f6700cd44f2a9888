// salf's own operators: a decoder's memory-bound steps, each in one pass over memory, and matrix
// products by the faster of LibTorch's two libraries. Results equal ATen's up to the order of
// summation. All are differentiable except cross_entropy_. Own kernels serve float32 and bfloat16
// (device_operators.h); ATen serves the rest. Activations in bfloat16 give results and gradients in
// bfloat16; sums are float32, and so are the gradients of float32 weights.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <functional>
#include <optional>

namespace salf::ops {

// x Wᵀ + b. `x` [..., I], `weight` [O, I], `bias` [O] → [..., O], in the type of x. `narrow`: the
// weight in that type where it has another one; without it, it is made here.
at::Tensor linear(const at::Tensor& x, const at::Tensor& weight,
    const std::optional<at::Tensor>& bias, const std::optional<at::Tensor>& narrow = {});

// x Wᵀ + bias + scale · (x Aᵀ) Bᵀ: a layer with a LoRA branch (Hu et al. 2021, arXiv 2106.09685).
// `x` [..., I], `weight` [O, I], `bias` [O], `a` [R, I], `b` [O, R] → [..., O]. For a frozen
// `weight` and `bias`, the backward pass keeps only x and x Aᵀ.
at::Tensor lora_linear(const at::Tensor& x, const at::Tensor& weight,
    const std::optional<at::Tensor>& bias, const at::Tensor& a, const at::Tensor& b, double scale,
    const std::optional<at::Tensor>& narrow = {});

// x / √(mean(x²) + ε) ⊙ w over the last dimension (Zhang, Sennrich 2019, arXiv 1910.07467). `x`
// [..., D], `weight` [D]
at::Tensor rms_norm(const at::Tensor& x, const at::Tensor& weight, double epsilon);

// gate · σ(gate) ⊙ up (SwiGLU; Shazeer 2020, arXiv 2002.05202), both of one shape.
at::Tensor swiglu(const at::Tensor& gate, const at::Tensor& up);

// Rotary position embedding (Su et al. 2021, arXiv 2104.09864): x ⊙ cos + roll(x, shift) ⊙ sin over
// the last dimension. With shift C/2 element i of a head turns with i + C/2; `sin` carries the
// sign: −sin in its first half. `x` [..., C]; cos and sin broadcast to it and get no gradient.
at::Tensor rotary(
    const at::Tensor& x, const at::Tensor& cos, const at::Tensor& sin, std::int64_t shift);

// As ATen's, also for factors of two types: bfloat16 where one of them is.
at::Tensor matmul(const at::Tensor& a, const at::Tensor& b);

// As ATen's, in the type of x whatever that of the weight is.
at::Tensor layer_norm(const at::Tensor& x, at::IntArrayRef shape,
    const std::optional<at::Tensor>& weight, const std::optional<at::Tensor>& bias, double epsilon,
    bool cudnn);

// x itself. In a graph it names a hidden state.
at::Tensor state(const at::Tensor& x);

// The loss and gradient of a softmax classifier: `gradient` [N, V] becomes scale · (softmax −
// onehot(label)); it may be `logits` [N, V] itself. `labels` [N] i64, 0 ≤ label < V. Returns
// Σ −log softmax_label, unscaled, [] f64. Autograd does not record it.
at::Tensor cross_entropy_(
    at::Tensor& gradient, const at::Tensor& logits, const at::Tensor& labels, double scale);

// Shows the inputs of a model's linear layers: while it lives, linear() and lora_linear() on this
// thread first call `see` with x [..., I] and the weight [O, I]. Only the innermost one is called.
class ProductWatch {
 public:
  using See = std::function<void(const at::Tensor& x, const at::Tensor& weight)>;

  explicit ProductWatch(See see);
  ~ProductWatch();
  ProductWatch(const ProductWatch&) = delete;
  ProductWatch& operator=(const ProductWatch&) = delete;

 private:
  See see_;
  See* before_;
};

// Registers the differentiable ones in TorchScript as salf::NAME. Call it before a graph that uses
// them is built. Further calls do nothing.
void register_operators();

}  // namespace salf::ops
