// Matrix products by oneDNN. See Note [Matrix products] in linear.cpp.
#pragma once

#include <ATen/core/Tensor.h>

#include <optional>

namespace salf::ops {

// Whether product() serves this layer.
bool has_product(const at::Tensor& x, const at::Tensor& weight);

// x [N, I] · weight [O, I]ᵀ + bias, without autograd. REQUIRES: has_product()
at::Tensor product(const at::Tensor& x, const at::Tensor& weight,
    const std::optional<at::Tensor>& bias = std::nullopt);

// Calls the thread's ProductWatch, if there is one.
void show_product(const at::Tensor& x, const at::Tensor& weight);

inline at::Tensor as_rows(const at::Tensor& x) { return x.reshape({-1, x.size(-1)}); }

}  // namespace salf::ops
