// Which operators does salf bring along? A decoder's memory-bound steps, each in one pass over
// memory, and matrix products by the faster of the two libraries that LibTorch carries. All are
// differentiable, and equal what ATen's own operators give up to the order of summation.
// Hand-written kernels serve float32 on the CPU; any other dtype or device takes ATen's operators.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <optional>

namespace salf::ops {

// x Wᵀ + b. `x` [..., I], `weight` [O, I], `bias` [O] → [..., O]
at::Tensor linear(
    const at::Tensor& x, const at::Tensor& weight, const std::optional<at::Tensor>& bias);

// x Wᵀ + bias + scale · (x Aᵀ) Bᵀ: a frozen layer with a branch of low rank beside it (LoRA; Hu et
// al. 2021, arXiv 2106.09685). `x` [..., I], `weight` [O, I], `bias` [O], `a` [R, I], `b` [O, R] →
// [..., O]. Where `weight` and `bias` ask for no gradient, which is what it is for, nothing but x
// and x Aᵀ is kept for the backward pass.
at::Tensor lora_linear(const at::Tensor& x, const at::Tensor& weight,
    const std::optional<at::Tensor>& bias, const at::Tensor& a, const at::Tensor& b, double scale);

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

// The loss and gradient of a softmax classifier, in place: `logits` [N, V] become scale · (softmax
// − onehot(label)). Returns Σ −log softmax_label, unscaled, [] f64. Not recorded by autograd.
// `labels` [N] i64, 0 ≤ label < V.
at::Tensor cross_entropy_(at::Tensor& logits, const at::Tensor& labels, double scale);

// Makes the differentiable ones known to TorchScript as salf::NAME. Once a process, before a graph
// that uses them is built; further calls do nothing.
void register_operators();

}  // namespace salf::ops
