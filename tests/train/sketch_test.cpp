// The gradient sketch against the sum over all elements, and where it must be nothing.
#include "salf/train/sketch.h"

#include <ATen/Functions.h>
#include <ATen/core/grad_mode.h>
#include <gtest/gtest.h>

#include <cmath>
#include <map>
#include <string>
#include <vector>

#include "training_setup.h"

namespace salf::train {
namespace {

types::GradientSketch sketch_of(const TinyRun& setup, std::uint64_t seed) {
  core::Progress progress;
  const auto sketch = gradient_sketch(setup.model, setup.cut, setup.train_batches, seed, c10::ScalarType::Float, progress);
  EXPECT_TRUE(sketch.has_value());
  return *sketch;
}

// Loss of a batch summed over its supervised tokens.
double loss_of(const TinyRun& setup, const tensor::Batch& batch) {
  const at::NoGradGuard quiet;
  const at::Tensor state = setup.cut.suffix(setup.cut.prefix(batch, 0), batch, 0);
  const at::Tensor logits = at::matmul(state, setup.cut.head_weight().t()).to(at::kDouble);
  const at::Tensor labels = batch.labels.flatten();
  return at::cross_entropy_loss(logits.flatten(0, 1), labels).item<double>();
}

TEST(GradientSketch, SaysWhatASignStepLowers) {
  const TinyRun setup;
  const types::GradientSketch sketch = sketch_of(setup, 1);
  ASSERT_EQ(sketch.blocks.size(), static_cast<std::size_t>(kTestBlocks));
  std::vector<tensor::Batch> batches;
  for (const auto& plan : setup.train_batches.epoch(1, 0)) {
    if (batches.size() < 2) batches.push_back(setup.train_batches.make(plan));
  }
  EXPECT_EQ(sketch.supervised_tokens, batches[0].supervised_tokens + batches[1].supervised_tokens);
  // Block 1 along the sign of the one batch's gradient, measured on the other by differences.
  const double rate = 1e-4;
  double lowered = 0.0;
  for (int side : {0, 1}) {
    std::map<std::string, at::Tensor> direction;
    for (const auto& name : setup.cut.block_parameters(1)) direction[name] = at::Tensor();
    for (auto& parameter : setup.model.parameters()) parameter.tensor.requires_grad_(direction.count(parameter.name) != 0);
    {
      const tensor::Batch& batch = batches[static_cast<std::size_t>(side)];
      const at::Tensor state = setup.cut.suffix(setup.cut.prefix(batch, 0), batch, 0);
      const at::Tensor logits = at::matmul(state, setup.cut.head_weight().t());
      at::cross_entropy_loss(logits.flatten(0, 1), batch.labels.flatten()).backward();
    }
    for (auto& parameter : setup.model.parameters()) {
      if (direction.count(parameter.name) != 0) direction[parameter.name] = parameter.tensor.grad().sign();
      parameter.tensor.mutable_grad() = at::Tensor();
      parameter.tensor.requires_grad_(false);
    }
    const auto shift = [&](double by) {
      for (auto& parameter : setup.model.parameters()) {
        if (direction.count(parameter.name) != 0) parameter.tensor.add_(direction[parameter.name], by);
      }
    };
    const tensor::Batch& other = batches[static_cast<std::size_t>(1 - side)];
    shift(rate);
    const double up = loss_of(setup, other);
    shift(-2.0 * rate);
    const double down = loss_of(setup, other);
    shift(rate);
    lowered += (up - down) / (2.0 * rate);
  }
  EXPECT_NEAR(sketch.blocks[1], std::max(0.0, lowered / 2.0), 0.02 * std::abs(lowered));
}

TEST(GradientSketch, LeavesTheModelAsItWas) {
  const TinyRun setup;
  const std::string before = setup.saved_bytes();
  const types::GradientSketch first = sketch_of(setup, 1);
  EXPECT_EQ(setup.saved_bytes(), before);
  const types::GradientSketch again = sketch_of(setup, 1);
  EXPECT_EQ(first.blocks, again.blocks);
  EXPECT_NE(first.blocks, sketch_of(setup, 2).blocks);
  for (const auto& parameter : setup.model.parameters()) EXPECT_FALSE(parameter.tensor.grad().defined()) << parameter.name;
}

TEST(GradientSketch, SharesFallWithDepth) {
  const types::GradientSketch sketch{1.0, {2.0, 3.0}, 4.0, 10};
  EXPECT_DOUBLE_EQ(sketch.share_above(0), 1.0);
  EXPECT_DOUBLE_EQ(sketch.share_above(1), 0.7);
  EXPECT_DOUBLE_EQ(sketch.share_above(2), 0.4);
  EXPECT_DOUBLE_EQ(types::GradientSketch{}.share_above(1), 1.0);
}

}  // namespace
}  // namespace salf::train
