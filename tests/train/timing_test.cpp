#include "train/timing.h"

#include <ATen/Functions.h>
#include <ATen/TensorOperators.h>
#include <gtest/gtest.h>

#include <numeric>

#include "core/error.h"
#include "training_setup.h"

namespace salf::train {
namespace {

TEST(Timing, LeavesTheModelAsItWas) {
  const TinyRun setup;
  const std::string before = setup.saved_bytes();
  setup.model.parameters().front().tensor.requires_grad_(true);
  const TemporaryFolder scratch;
  TimingOptions options;
  options.scratch = scratch.path();
  core::Progress progress;
  time_steps(setup.model, setup.graph, setup.train_batches, options, progress);
  EXPECT_TRUE(setup.model.parameters().front().tensor.requires_grad());
  setup.model.parameters().front().tensor.requires_grad_(false);
  for (const auto& parameter : setup.model.parameters())
    EXPECT_FALSE(parameter.tensor.grad().defined());
  EXPECT_EQ(setup.saved_bytes(), before);
  EXPECT_TRUE(std::filesystem::is_empty(scratch.path()));
}

TEST(Timing, EveryPieceHasAPrice) {
  const TinyRun setup;
  const TemporaryFolder scratch;
  TimingOptions options;
  options.batches = 3;
  options.scratch = scratch.path();
  core::Progress progress;
  const Timing result =
      time_steps(setup.model, setup.graph, setup.train_batches, options, progress);
  const types::MeasuredCost& cost = result.cost;
  for (const double price : {cost.block_forward, cost.block_forward_trained, cost.block_backward,
           cost.embedding_backward, cost.head, cost.head_trained, cost.head_forward, cost.optimizer,
           cost.step_fixed, cost.save, result.seconds}) {
    EXPECT_GT(price, 0.0);
    EXPECT_LT(price, 60.0);
  }
  EXPECT_EQ(cost.timed_batches, 3);
}

TEST(Timing, StopsAfterItsTimeButTimesOneBatch) {
  const TinyRun setup;
  TimingOptions options;
  options.seconds = 0.0;
  core::Progress progress;
  EXPECT_EQ(time_steps(setup.model, setup.graph, setup.train_batches, options, progress)
                .cost.timed_batches,
      1);
}

// All rows the same, so that both gradients are: what is left is |∇ ln L|², here from the cross
// entropy of one row.
TEST(Timing, SeesHowFarTwoGradientsAgree) {
  const TinyRun setup;
  data::Dataset same = setup.dataset;
  for (auto& document : same.documents) document = setup.dataset.documents[10];
  std::vector<std::int64_t> rows(same.documents.size());
  std::iota(rows.begin(), rows.end(), 0);
  const data::Batcher batches(same, rows, {64, 0}, 0);
  TimingOptions options;
  options.gradients = true;
  core::Progress progress;
  const auto agreed =
      time_steps(setup.model, setup.graph, batches, options, progress).gradient_agreement;
  ASSERT_TRUE(agreed.has_value());

  std::vector<std::string> names = setup.graph.final_parameters();
  for (std::int64_t block = 1; block < kTestBlocks; ++block) {
    for (const auto& name : setup.graph.block_parameters(block)) names.push_back(name);
  }
  data::BatchPlan row = batches.epoch(1, 0).front();
  row.rows.resize(1);
  const tensor::Batch batch = batches.make(row);
  for (const auto& name : names) setup.model.parameter(name).tensor.requires_grad_(true);
  const at::Tensor state = setup.graph.suffix(setup.graph.prefix(batch, 0), batch, 0);
  const at::Tensor loss = at::cross_entropy_loss(
      at::matmul(state, setup.graph.head_weight().t()).flatten(0, 1), batch.labels.flatten());
  loss.backward();
  double squares = 0.0;
  for (const auto& name : names)
    squares += setup.model.parameter(name).tensor.grad().square().sum().item<double>();
  const double mean = loss.item<double>();
  EXPECT_NEAR(*agreed, squares / (mean * mean), 1e-4 * *agreed);
  EXPECT_GT(*agreed, 0.0);
}

TEST(Timing, LooksAtGradientsOnlyWhereTheyCanBeCompared) {
  const TinyRun setup;
  core::Progress progress;
  const auto agreed = [&](const data::Batcher& batcher, bool gradients, std::int64_t cut) {
    TimingOptions options;
    options.gradients = gradients;
    options.cut = cut;
    return time_steps(setup.model, setup.graph, batcher, options, progress).gradient_agreement;
  };
  EXPECT_TRUE(agreed(setup.train_batches, true, 0));
  EXPECT_FALSE(agreed(setup.train_batches, false, 0));
  EXPECT_FALSE(agreed(setup.train_batches, true, kTestBlocks - 1));
  EXPECT_FALSE(agreed(data::Batcher(setup.dataset, {10}, {64, 0}, 0), true, 0));  // one batch
}

TEST(Timing, NothingToTimeIsAnError) {
  const TinyRun setup;
  const data::Batcher none(setup.dataset, {}, {64, 0}, 0);
  core::Progress progress;
  EXPECT_THROW(time_steps(setup.model, setup.graph, none, {}, progress), Error);
}

}  // namespace
}  // namespace salf::train
