// Is an operator what ATen's own operators say? The reference runs in float64, so the tolerance is
// that of ours.
#pragma once

#include <ATen/ATen.h>
#include <gtest/gtest.h>
#include <torch/csrc/autograd/autograd.h>

#include <algorithm>
#include <functional>
#include <vector>

namespace salf::ops {

using Inputs = std::vector<at::Tensor>;
using Operator = std::function<at::Tensor(const Inputs&)>;

inline at::Tensor plain_rms_norm(const Inputs& x) {
  return x[0] * (x[0].pow(2).mean(-1, true) + 1e-5).rsqrt() * x[1];
}
inline at::Tensor plain_swiglu(const Inputs& x) { return at::silu(x[0]) * x[1]; }
inline at::Tensor plain_rotary(const Inputs& x) {
  return x[0] * x[1] + x[0].roll({x[0].size(-1) / 2}, {-1}) * x[2];
}

inline double largest(const at::Tensor& difference) {
  return difference.abs().max().item<double>();
}

inline double distance(const at::Tensor& ours, const at::Tensor& expected) {
  return largest(ours.to(at::kDouble) - expected) / std::max(1.0, largest(expected));
}

// Runs both on the same values and compares the result, and with twice the tolerance the gradient
// to each of the first `differentiable` inputs, for a random gradient of the result.
inline void compare(const Operator& ours, const Operator& reference, const Inputs& inputs,
    std::size_t differentiable, double tolerance = 2e-6) {
  Inputs narrow;
  Inputs wide;
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    // Neither detach() nor to() changes the strides that a test asks for.
    narrow.push_back(inputs[i].detach().requires_grad_(i < differentiable));
    wide.push_back(inputs[i].detach().to(at::kDouble).requires_grad_(i < differentiable));
  }
  const at::Tensor y = ours(narrow);
  const at::Tensor expected = reference(wide);
  ASSERT_EQ(y.sizes(), expected.sizes());
  EXPECT_LT(distance(y.detach(), expected.detach()), tolerance);
  const at::Tensor slope = at::randn(y.sizes()).to(y.options());
  const auto end = static_cast<std::ptrdiff_t>(differentiable);
  const auto gradients =
      torch::autograd::grad({y}, Inputs(narrow.begin(), narrow.begin() + end), {slope});
  const auto right = torch::autograd::grad(
      {expected}, Inputs(wide.begin(), wide.begin() + end), {slope.to(at::kDouble)});
  for (std::size_t i = 0; i < differentiable; ++i) {
    ASSERT_EQ(gradients[i].sizes(), inputs[i].sizes()) << i;
    EXPECT_EQ(gradients[i].scalar_type(), inputs[i].scalar_type()) << i;
    EXPECT_LT(distance(gradients[i], right[i]), 2.0 * tolerance) << "gradient " << i;
  }
}

}  // namespace salf::ops
