#include "ops/bf16_products.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>
#include <torch/csrc/autograd/autograd.h>

#include "ops/adamw.h"
#include "ops/operators.h"

namespace salf::ops {
namespace {

at::Tensor narrow_values(at::IntArrayRef shape) { return at::randn(shape).to(at::kBFloat16); }

double relative_error(const at::Tensor& a, const at::Tensor& b) {
  return ((a.to(at::kDouble) - b.to(at::kDouble)).norm() / b.to(at::kDouble).norm()).item<double>();
}

// Sums in float32 of exact products; without the kernels the result is rounded to bfloat16.
double tolerance() { return has_bf16_products() ? 1e-6 : 4e-3; }

TEST(Bf16Products, OfAllShapesEqualThoseInDouble) {
  struct Shape {
    std::int64_t rows, out, in;
  };
  for (const Shape& s : {Shape{1, 1, 1}, Shape{3, 5, 7}, Shape{129, 65, 33}, Shape{64, 64, 64},
           Shape{33, 200, 2050}, Shape{2049, 17, 96}, Shape{40, 300, 16}}) {
    const at::Tensor x = narrow_values({s.rows, s.in});
    const at::Tensor weight = narrow_values({s.out, s.in});
    const at::Tensor expected = at::mm(x.to(at::kDouble), weight.to(at::kDouble).t());
    EXPECT_LT(relative_error(WideFactor(weight).times(x), expected), tolerance()) << s.rows;
    // The factors of a gradient lie in rows of a larger tensor.
    const at::Tensor dy = narrow_values({s.rows, s.out + 3}).narrow(1, 2, s.out);
    const at::Tensor slope = at::mm(dy.to(at::kDouble).t(), x.to(at::kDouble));
    EXPECT_LT(relative_error(weight_gradient(dy, x), slope), tolerance()) << s.rows;
    const at::Tensor sum = at::ones({s.out, s.in});
    EXPECT_TRUE(weight_gradient(dy, x, sum).is_same(sum));
    EXPECT_LT(relative_error(sum, slope + 1.0), tolerance()) << s.rows;
  }
}

TEST(Bf16Products, OfNoRowsAreZero) {
  const at::Tensor none = narrow_values({0, 40});
  EXPECT_TRUE(at::equal(weight_gradient(none, none), at::zeros({40, 40})));
  EXPECT_EQ(WideFactor(narrow_values({5, 40})).times(none).sizes(), at::IntArrayRef({0, 5}));
}

TEST(Bf16Linear, KeepsItsTypeAndGivesWideGradientsToWideWeights) {
  const at::Tensor x = narrow_values({2, 9, 40}).requires_grad_(true);
  const at::Tensor weight = at::randn({24, 40}).requires_grad_(true);
  const at::Tensor bias = at::randn({24}).requires_grad_(true);
  const at::Tensor y = linear(x, weight, bias, weight.detach().to(at::kBFloat16));
  EXPECT_EQ(y.scalar_type(), at::kBFloat16);
  const at::Tensor dy = narrow_values({2, 9, 24});
  const auto made = torch::autograd::grad({y}, {x, weight, bias}, {dy});
  EXPECT_EQ(made[0].scalar_type(), at::kBFloat16);
  EXPECT_EQ(made[1].scalar_type(), at::kFloat);
  EXPECT_EQ(made[2].scalar_type(), at::kFloat);
  const at::Tensor rows = x.detach().reshape({-1, 40}), slopes = dy.reshape({-1, 24});
  EXPECT_LT(
      relative_error(y, at::linear(x.detach().to(at::kFloat), weight.detach(), bias.detach())),
      0.01);
  EXPECT_LT(relative_error(made[1], at::mm(slopes.to(at::kFloat).t(), rows.to(at::kFloat))), 4e-3);
  EXPECT_LT(relative_error(made[2], slopes.to(at::kFloat).sum(0)), 1e-6);
}

TEST(Bf16Linear, WithABranchEqualsTheMergedWeight) {
  const at::Tensor x = narrow_values({30, 48}).requires_grad_(true);
  const at::Tensor weight = at::randn({32, 48});
  const at::Tensor a = at::randn({4, 48}).requires_grad_(true);
  const at::Tensor b = at::randn({32, 4}).requires_grad_(true);
  const at::Tensor y = lora_linear(x, weight, std::nullopt, a, b, 0.5);
  const at::Tensor wide = x.detach().to(at::kFloat).requires_grad_(true);
  const at::Tensor wa = a.detach().clone().requires_grad_(true);
  const at::Tensor wb = b.detach().clone().requires_grad_(true);
  const at::Tensor expected = at::linear(wide, weight + at::mm(wb, wa) * 0.5);
  EXPECT_LT(relative_error(y, expected), 0.01);
  const at::Tensor dy = narrow_values({30, 32});
  const auto made = torch::autograd::grad({y}, {x, a, b}, {dy});
  const auto right = torch::autograd::grad({expected}, {wide, wa, wb}, {dy.to(at::kFloat)});
  for (std::size_t i = 0; i < 3; ++i) EXPECT_LT(relative_error(made[i], right[i]), 0.02) << i;
  EXPECT_EQ(made[1].scalar_type(), at::kFloat);
}

TEST(AdamWRows, EqualAtensAndWriteTheCopy) {
  const at::Tensor weight = at::randn({37, 29}), gradient = at::randn({37, 29});
  at::Tensor first = at::randn({37, 29}) * 0.1, second = at::rand({37, 29}) * 0.01;
  std::vector<at::Tensor> w{weight.clone()}, g{gradient.clone()}, m{first.clone()},
      v{second.clone()}, steps{at::full({}, 3.0, at::kFloat)};
  at::_fused_adamw_(w, g, m, v, {}, steps, 1e-2, 0.9, 0.999, 0.1, 1e-8, false, false,
      at::full({}, 2.0, at::kFloat));
  AdamWUpdate update;
  update.learning_rate = 1e-2;
  update.weight_decay = 0.1;
  update.step = 3.0;
  update.divisor = 2.0;
  const at::Tensor copy = at::empty({37, 29}, at::kBFloat16);
  const auto version = weight._version();
  adamw_(weight, gradient, first, second, copy, update);
  EXPECT_LT(relative_error(weight, w[0]), 1e-6);
  EXPECT_LT(relative_error(first, m[0]), 1e-6);
  EXPECT_LT(relative_error(second, v[0]), 1e-6);
  EXPECT_TRUE(copy.equal(weight.to(at::kBFloat16)));
  EXPECT_GT(weight._version(), version);
}

}  // namespace
}  // namespace salf::ops
