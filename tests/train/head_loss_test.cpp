#include "train/step/head_loss.h"

#include <ATen/Functions.h>
#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <gtest/gtest.h>

#include "training_setup.h"

namespace salf::train {
namespace {

at::Tensor normal(at::IntArrayRef shape, at::ScalarType type, std::uint64_t seed) {
  auto generator = at::detail::createCPUGenerator(seed);
  return at::randn(shape, generator, at::kDouble).to(type);
}

struct Problem {
  at::Tensor state, labels, weight, bias;

  explicit Problem(at::ScalarType type, bool with_bias = true) {
    state = normal({7, 5}, type, 1).requires_grad_(true);
    weight = normal({11, 5}, type, 2).requires_grad_(true);
    if (with_bias) bias = normal({11}, type, 3).requires_grad_(true);
    labels = at::tensor({0, 10, 3, 3, 7, 1, 9}, at::kLong);
  }
  at::Tensor reference(double scale) const {
    const at::Tensor logits = at::linear(state, weight, bias);
    return at::cross_entropy_loss(logits, labels, {}, at::Reduction::Sum) * scale;
  }
  at::Tensor ours(double scale, std::int64_t rows) const {
    return linear_cross_entropy(state, labels, weight, bias, scale, rows * 11);
  }
  void forget() const {
    for (const at::Tensor& tensor : {state, weight, bias}) {
      if (tensor.defined()) tensor.mutable_grad() = at::Tensor();
    }
  }
};

TEST(HeadLoss, EqualsCrossEntropyAndItsGradientsWhateverTheChunk) {
  for (const bool with_bias : {false, true}) {
    for (const std::int64_t rows : {1, 2, 3, 7, 100}) {
      const Problem problem(at::kDouble, with_bias);
      const at::Tensor expected = problem.reference(0.3);
      expected.backward();
      const at::Tensor state = problem.state.grad(), weight = problem.weight.grad();
      const at::Tensor bias = with_bias ? problem.bias.grad() : at::Tensor();
      problem.forget();
      const at::Tensor loss = problem.ours(0.3, rows);
      loss.backward();
      EXPECT_NEAR(loss.item<double>(), expected.item<double>(), 1e-12);
      EXPECT_TRUE(at::allclose(problem.state.grad(), state, 1e-12, 1e-13));
      EXPECT_TRUE(at::allclose(problem.weight.grad(), weight, 1e-12, 1e-13));
      if (with_bias) {
        EXPECT_TRUE(at::allclose(problem.bias.grad(), bias, 1e-12, 1e-13));
      }
    }
  }
}

TEST(HeadLoss, GradientsEqualFiniteDifferences) {
  const Problem problem(at::kDouble);
  problem.ours(0.5, 3).backward();
  const at::NoGradGuard quiet;
  constexpr double kStep = 1e-6;
  for (const at::Tensor& tensor : {problem.state, problem.weight, problem.bias}) {
    double* values = tensor.data_ptr<double>();
    const at::Tensor gradient = tensor.grad().contiguous();
    for (std::int64_t i = 0; i < tensor.numel(); ++i) {
      const double kept = values[i];
      values[i] = kept + kStep;
      const double above = problem.ours(0.5, 3).item<double>();
      values[i] = kept - kStep;
      const double below = problem.ours(0.5, 3).item<double>();
      values[i] = kept;
      EXPECT_NEAR(gradient.data_ptr<double>()[i], (above - below) / (2.0 * kStep), 1e-8);
    }
  }
}

TEST(HeadLoss, FrozenHeadGetsNoGradientAndTheStateTheSame) {
  const Problem problem(at::kFloat);
  problem.reference(1.0).backward();
  const at::Tensor state = problem.state.grad();
  problem.forget();
  problem.weight.requires_grad_(false);
  problem.bias.requires_grad_(false);
  problem.ours(1.0, 2).backward();
  EXPECT_FALSE(problem.weight.grad().defined());
  EXPECT_FALSE(problem.bias.grad().defined());
  EXPECT_TRUE(at::allclose(problem.state.grad(), state, 1e-5, 1e-6));
}

TEST(HeadLoss, OuterFactorReachesAllGradients) {
  const Problem problem(at::kDouble);
  problem.ours(1.0, 2).backward();
  const at::Tensor state = problem.state.grad(), weight = problem.weight.grad();
  problem.forget();
  (problem.ours(1.0, 2) * 4.0).backward();
  EXPECT_TRUE(at::allclose(problem.state.grad(), state * 4.0));
  EXPECT_TRUE(at::allclose(problem.weight.grad(), weight * 4.0));
}

TEST(HeadLoss, LargeLogitsStayFinite) {
  const Problem problem(at::kFloat, false);
  const at::Tensor state = (problem.state.detach() * 1e4).requires_grad_(true);
  const at::Tensor loss = linear_cross_entropy(state, problem.labels, problem.weight, {}, 1.0);
  loss.backward();
  EXPECT_TRUE(std::isfinite(loss.item<double>()));
  EXPECT_TRUE(at::isfinite(state.grad()).all().item<bool>());
}

TEST(HeadLoss, PicksSupervisedPositionsOnly) {
  const TinyRun setup;
  const tensor::Batch batch = setup.train_batches.make(setup.train_batches.in_order().back());
  const at::NoGradGuard quiet;
  const at::Tensor state = setup.graph.suffix(setup.graph.prefix(batch, 0), batch, 0);
  const Supervised picked = supervised(state, batch);
  ASSERT_EQ(picked.labels.size(0), batch.supervised_tokens);
  const at::Tensor whole = at::cross_entropy_loss(
      setup.model.forward(batch).flatten(0, 1), batch.labels.flatten(), {}, at::Reduction::Sum);
  EXPECT_NEAR(head_loss(setup.graph, picked, 1.0).item<double>(), whole.item<double>(), 1e-4);
  const PositionScores scores =
      score_positions(setup.graph.head(), kTestVocabulary, picked, 3 * kTestVocabulary);
  EXPECT_NEAR(scores.loss.sum().item<double>(), whole.item<double>(), 1e-4);
}

}  // namespace
}  // namespace salf::train
