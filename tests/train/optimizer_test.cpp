#include "train/step/optimizer.h"

#include <ATen/Functions.h>
#include <ATen/TensorOperators.h>
#include <gtest/gtest.h>

#include <cmath>

#include "core/error.h"

namespace salf::train {
namespace {

model::Parameter parameter(
    const std::string& name, const std::vector<double>& values, bool matrix) {
  at::Tensor tensor = at::tensor(values, at::kDouble).to(at::kFloat);
  if (matrix) tensor = tensor.unsqueeze(0).clone();
  return {name, {}, tensor};
}

void set_gradient(const model::Parameter& parameter, const std::vector<double>& values) {
  parameter.tensor.mutable_grad() =
      at::tensor(values, at::kDouble).to(at::kFloat).view_as(parameter.tensor);
}

// Loshchilov and Hutter, algorithm 2, by hand.
struct ByHand {
  double weight, first = 0.0, second = 0.0;
  int steps = 0;
  void step(double gradient, double rate, double decay, const AdamWOptions& options) {
    ++steps;
    first = options.beta1 * first + (1.0 - options.beta1) * gradient;
    second = options.beta2 * second + (1.0 - options.beta2) * gradient * gradient;
    const double m = first / (1.0 - std::pow(options.beta1, steps));
    const double v = second / (1.0 - std::pow(options.beta2, steps));
    weight -= rate * (m / (std::sqrt(v) + options.epsilon) + decay * weight);
  }
};

TEST(AdamW, EqualsThePaperAndDecaysMatricesOnly) {
  const AdamWOptions options{0.1, 0.9, 0.99, 1e-8};
  for (const bool matrix : {false, true}) {
    const model::Parameter weight = parameter("w", {0.7}, matrix);
    AdamW adamw({weight}, options);
    ByHand hand{0.7};
    for (int i = 0; i < 30; ++i) {
      const double gradient = std::sin(i + 1.0), rate = 0.01 * (i + 1);
      set_gradient(weight, {gradient});
      adamw.step(rate);
      hand.step(gradient, rate, matrix ? 0.1 : 0.0, options);
      EXPECT_NEAR(weight.tensor.item<double>(), hand.weight, 2e-6)
          << "matrix " << matrix << ", step " << i;
    }
  }
}

TEST(AdamW, LeavesParametersWithoutGradientAlone) {
  const model::Parameter with = parameter("with", {1.0, 2.0}, true);
  const model::Parameter without = parameter("without", {1.0, 2.0}, true);
  AdamW adamw({with, without}, {});
  set_gradient(with, {1.0, 1.0});
  adamw.step(0.1);
  EXPECT_LT(with.tensor[0][0].item<double>(), 1.0);
  EXPECT_EQ(without.tensor[0][0].item<double>(), 1.0);
}

TEST(AdamW, GoesOnFromItsStateBitForBit) {
  const auto run = [](bool interrupted) {
    const model::Parameter weight = parameter("w", {0.3, -0.2, 5.0}, true);
    auto adamw = std::make_unique<AdamW>(std::vector<model::Parameter>{weight}, AdamWOptions{});
    for (int i = 0; i < 10; ++i) {
      if (interrupted && i == 5) {
        const auto state = adamw->state("x/");
        auto next = std::make_unique<AdamW>(std::vector<model::Parameter>{weight}, AdamWOptions{});
        next->load_state(state, "x/", adamw->steps());
        adamw = std::move(next);
      }
      set_gradient(weight, {0.1 * i, std::cos(i), -1.0});
      adamw->step(0.01);
    }
    return weight.tensor.clone();
  };
  EXPECT_TRUE(at::equal(run(false), run(true)));
}

TEST(AdamW, RefusesStateOfAnotherShape) {
  const model::Parameter weight = parameter("w", {1.0, 2.0}, true);
  AdamW adamw({weight}, {});
  EXPECT_THROW(adamw.load_state({{"first/w", at::zeros({3})}}, "", 1), Error);
  EXPECT_THROW(adamw.load_state({{"first/w", at::zeros({1, 2})}}, "", 1),
      Error);  // no second moment
}

TEST(Clipping, DividesToTheLimitAndTellsTheNormBefore) {
  const model::Parameter a = parameter("a", {0.0, 0.0}, true), b = parameter("b", {0.0}, false);
  set_gradient(a, {3.0, 0.0});
  set_gradient(b, {4.0});
  const GradientNorm gradient = gradient_norm({a, b}, 1.0);
  EXPECT_FLOAT_EQ(gradient.norm.item<float>(), 5.0F);
  EXPECT_NEAR(gradient.divisor.item<double>(), 5.0, 1e-5);
  AdamW adamw({a, b}, {});
  adamw.step(0.0, gradient.divisor);
  // The first moment of the first step is 1 − β1 = 0.1 of the gradient that was used.
  for (const auto& state : adamw.state("")) {
    const double expected = state.name == "first/a" ? 0.06 : 0.08;
    if (state.name.rfind("first/", 0) != 0) continue;
    EXPECT_NEAR(state.tensor.flatten()[0].item<double>(), expected, 1e-7) << state.name;
  }
}

TEST(Clipping, LeavesSmallGradientsAndNoLimitAlone) {
  const model::Parameter a = parameter("a", {0.0}, true);
  set_gradient(a, {0.25});
  EXPECT_EQ(gradient_norm({a}, 1.0).divisor.item<double>(), 1.0);
  EXPECT_FALSE(gradient_norm({a}, 0.0).divisor.defined());
}

}  // namespace
}  // namespace salf::train
