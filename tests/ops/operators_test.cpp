// Every operator against ATen's own, values and gradients, at widths that fill vectors and that do
// not, and on tensors whose memory is not contiguous.
#include "ops/operators.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>
#include <torch/csrc/autograd/autograd.h>
#include <torch/csrc/jit/ir/irparser.h>
#include <torch/csrc/jit/runtime/graph_executor.h>

#include <cmath>
#include <vector>

#include "operator_comparison.h"

namespace salf::ops {
namespace {

at::Tensor values(at::IntArrayRef shape) { return at::randn(shape); }

at::Tensor own_rms_norm(const Inputs& x) { return rms_norm(x[0], x[1], 1e-5); }
at::Tensor own_swiglu(const Inputs& x) { return swiglu(x[0], x[1]); }
at::Tensor own_rotary(const Inputs& x) { return rotary(x[0], x[1], x[2], x[0].size(-1) / 2); }

at::Tensor plain_linear(const Inputs& x) { return at::linear(x[0], x[1], x[2]); }
at::Tensor plain_lora(const Inputs& x) {
  return at::linear(x[0], x[3], x[4]) + 1.5 * at::linear(at::linear(x[0], x[1]), x[2]);
}
at::Tensor own_lora(const Inputs& x) { return lora_linear(x[0], x[3], x[4], x[1], x[2], 1.5); }

at::Tensor own_linear(const Inputs& x) { return ops::linear(x[0], x[1], x[2]); }

class Operators : public ::testing::Test {
 protected:
  void SetUp() override { at::manual_seed(7); }
};

TEST_F(Operators, RmsNormEqualsAten) {
  for (const std::int64_t width : {1, 15, 16, 67, 576}) {
    compare(own_rms_norm, plain_rms_norm, {values({3, 5, width}), values({width})}, 2);
  }
  compare(own_rms_norm, plain_rms_norm, {values({4, 33, 64}).transpose(0, 1), values({64})}, 2);
}

TEST_F(Operators, RmsNormOfLargeAndTinyStatesStaysFinite) {
  const at::Tensor weight = at::ones({64});
  const at::Tensor ones = at::ones({1, 64});
  EXPECT_LT(largest(rms_norm(ones * 1e15, weight, 1e-6) - 1.0), 1e-5);
  EXPECT_EQ(largest(rms_norm(ones * 0.0, weight, 1e-6)), 0.0);
}

TEST_F(Operators, RmsNormGivesNoGradientToAFrozenWeight) {
  const at::Tensor x = values({8, 32}).requires_grad_(true);
  const at::Tensor weight = values({32});
  rms_norm(x, weight, 1e-5).sum().backward();
  EXPECT_TRUE(x.grad().defined());
  EXPECT_FALSE(weight.grad().defined());
}

TEST_F(Operators, SwiGluEqualsAten) {
  for (const std::int64_t width : {1, 17, 1536}) {
    compare(own_swiglu, plain_swiglu, {values({2, 9, width}) * 4.0, values({2, 9, width})}, 2);
  }
  const at::Tensor both = values({2, 7, 2 * 48});
  compare(own_swiglu, plain_swiglu, {both.narrow(-1, 0, 48), both.narrow(-1, 48, 48)}, 2);
}

TEST_F(Operators, SwiGluOfFarGatesIsExact) {
  const at::Tensor gate = at::tensor({-1e4F, -100.0F, -88.0F, 0.0F, 88.0F, 100.0F, 1e4F});
  const at::Tensor up = at::ones_like(gate);
  EXPECT_LT(distance(swiglu(gate, up), at::silu(gate.to(at::kDouble))), 1e-6);
}

TEST_F(Operators, RotaryEqualsAten) {
  const at::Tensor tables = values({11, 1, 32});
  compare(own_rotary, plain_rotary, {values({2, 11, 3, 32}), tables, values({11, 1, 32})}, 1);
  // As transformers lays it out: heads before tokens.
  compare(own_rotary, plain_rotary,
      {values({2, 11, 3, 32}).transpose(1, 2), values({2, 1, 11, 32}), values({2, 1, 11, 32})}, 1);
  compare(
      own_rotary, plain_rotary, {values({1, 5, 2, 2}), values({5, 1, 2}), values({5, 1, 2})}, 1);
}

TEST_F(Operators, RotaryTakesAnyShift) {
  const at::Tensor x = values({1, 5, 2, 8});
  const at::Tensor cos = values({5, 1, 8});
  const at::Tensor sin = values({5, 1, 8});
  EXPECT_LT(largest(rotary(x, cos, sin, 1) - (x * cos + x.roll({1}, {-1}) * sin)), 1e-6);
}

TEST_F(Operators, LinearEqualsAten) {
  compare(own_linear, plain_linear, {values({2, 33, 24}), values({40, 24}), values({40})}, 3);
  compare(own_linear, plain_linear, {values({1, 1}), values({1, 1}), values({1})}, 3);
  const auto without_bias = [](const Inputs& x) { return ops::linear(x[0], x[1], std::nullopt); };
  const auto plain = [](const Inputs& x) { return at::linear(x[0], x[1]); };
  compare(without_bias, plain, {values({6, 5, 24}).transpose(0, 1), values({7, 24})}, 2);
  compare(without_bias, plain, {values({9, 24}), values({24, 7}).t()}, 2);
}

TEST(LoraLinear, EqualsTheSumOfBothProducts) {
  compare(own_lora, plain_lora,
      {values({2, 33, 24}), values({4, 24}), values({40, 4}), values({40, 24}), values({40})}, 3);
  // A weight that lies transposed, as GPT-2 has it.
  compare(own_lora, plain_lora,
      {values({7, 24}), values({1, 24}), values({40, 1}), values({24, 40}).t(), values({40})}, 3);
}

TEST(LoraLinear, TrainsTheWeightTooWhereThatIsAskedFor) {
  compare(own_lora, plain_lora,
      {values({3, 24}), values({4, 24}), values({40, 4}), values({40, 24}), values({40})}, 5);
}

TEST_F(Operators, LinearOfNothingIsNothing) {
  EXPECT_EQ(ops::linear(at::zeros({0, 4}), at::ones({3, 4}), std::nullopt).sizes(),
      (std::vector<std::int64_t>{0, 3}));
}

TEST_F(Operators, CrossEntropyEqualsAten) {
  for (const std::int64_t classes : {2, 31, 4096}) {
    at::Tensor logits = values({13, classes}) * 5.0;
    const at::Tensor labels = at::randint(classes, {13}, at::kLong);
    const at::Tensor wide = logits.to(at::kDouble).requires_grad_(true);
    const at::Tensor expected = at::cross_entropy_loss(wide, labels, {}, at::Reduction::Sum);
    const at::Tensor slope = torch::autograd::grad({expected * 0.25}, {wide})[0];
    const at::Tensor loss = cross_entropy_(logits, logits, labels, 0.25);
    EXPECT_NEAR(
        loss.item<double>(), expected.item<double>(), 1e-5 * std::abs(expected.item<double>()));
    EXPECT_LT(distance(logits, slope), 1e-6);
  }
}

TEST_F(Operators, CrossEntropyOfLargeLogitsStaysFinite) {
  at::Tensor logits = at::tensor({3e4F, -3e4F, 0.0F, 3e4F}).reshape({1, 4});
  const at::Tensor loss = cross_entropy_(logits, logits, at::tensor({std::int64_t{0}}), 1.0);
  EXPECT_NEAR(loss.item<double>(), std::log(2.0), 1e-6);
  EXPECT_NEAR(logits[0][3].item<float>(), 0.5F, 1e-6F);
}

TEST_F(Operators, NotANumberIsNotHidden) {
  at::Tensor logits = at::full({1, 40}, 1.0);
  logits[0][21] = std::nan("");
  EXPECT_TRUE(std::isnan(
      cross_entropy_(logits, logits, at::tensor({std::int64_t{3}}), 1.0).item<double>()));
  const at::Tensor state = at::full({1, 40}, std::nan(""));
  EXPECT_TRUE(rms_norm(state, at::ones({40}), 1e-5).isnan().all().item<bool>());
  EXPECT_TRUE(swiglu(state, at::ones({1, 40})).isnan().all().item<bool>());
}

TEST_F(Operators, OtherTypesTakeAtensOperators) {
  const at::Tensor x = values({3, 16}).to(at::kDouble);
  const at::Tensor weight = values({16}).to(at::kDouble);
  EXPECT_LT(largest(rms_norm(x, weight, 1e-5) - plain_rms_norm({x, weight})), 1e-12);
  EXPECT_EQ(
      ops::linear(x, values({2, 16}).to(at::kDouble), std::nullopt).scalar_type(), at::kDouble);
}

TEST_F(Operators, TorchScriptKnowsThem) {
  register_operators();
  register_operators();
  auto graph = std::make_shared<torch::jit::Graph>();
  torch::jit::parseIR(R"IR(
graph(%x : Tensor, %w : Tensor, %epsilon : float):
  %y : Tensor = salf::rms_norm(%x, %w, %epsilon)
  %z : Tensor = salf::swiglu(%y, %x)
  return (%z))IR",
      graph.get());
  const at::Tensor x = values({4, 32});
  const at::Tensor weight = values({32});
  torch::jit::Stack stack{x, weight, 1e-5};
  torch::jit::GraphExecutor(graph, "own").run(stack);
  EXPECT_TRUE(stack.at(0).toTensor().equal(swiglu(rms_norm(x, weight, 1e-5), x)));
}

}  // namespace
}  // namespace salf::ops
