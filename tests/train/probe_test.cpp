#include "salf/train/probe.h"

#include <ATen/TensorOperators.h>
#include <ATen/Functions.h>
#include <gtest/gtest.h>

#include "salf/core/error.h"
#include "training_setup.h"

namespace salf::train {
namespace {

TEST(Probe, LeavesTheModelAsItWas) {
  const TinyRun setup;
  const std::string before = setup.saved_bytes();
  setup.model.parameters().front().tensor.requires_grad_(true);
  const TemporaryFolder scratch;
  ProbeOptions options;
  options.scratch = scratch.path();
  core::Progress progress;
  measure_cost(setup.model, setup.cut, setup.train_batches, options, progress);
  EXPECT_TRUE(setup.model.parameters().front().tensor.requires_grad());
  setup.model.parameters().front().tensor.requires_grad_(false);
  for (const auto& parameter : setup.model.parameters())
    EXPECT_FALSE(parameter.tensor.grad().defined());
  EXPECT_EQ(setup.saved_bytes(), before);
  EXPECT_TRUE(std::filesystem::is_empty(scratch.path()));
}

TEST(Probe, EveryPieceHasAPrice) {
  const TinyRun setup;
  const TemporaryFolder scratch;
  ProbeOptions options;
  options.batches = 3;
  options.scratch = scratch.path();
  core::Progress progress;
  const ProbeResult result =
      measure_cost(setup.model, setup.cut, setup.train_batches, options, progress);
  const types::MeasuredCost& cost = result.cost;
  for (const double price :
       {cost.block_forward, cost.block_forward_trained, cost.block_backward,
        cost.embedding_backward, cost.head, cost.head_trained, cost.head_forward, cost.optimizer,
        cost.step_fixed, cost.save, result.seconds}) {
    EXPECT_GT(price, 0.0);
    EXPECT_LT(price, 60.0);
  }
  EXPECT_EQ(cost.timed_batches, 3);
}

TEST(Probe, StopsAfterItsTimeButTimesOneBatch) {
  const TinyRun setup;
  ProbeOptions options;
  options.seconds = 0.0;
  core::Progress progress;
  EXPECT_EQ(measure_cost(setup.model, setup.cut, setup.train_batches, options, progress)
                .cost.timed_batches,
            1);
}

TEST(Probe, NothingToTimeIsAnError) {
  const TinyRun setup;
  const data::Batcher none(setup.dataset, {}, {64, 0}, 0);
  core::Progress progress;
  EXPECT_THROW(measure_cost(setup.model, setup.cut, none, {}, progress), Error);
}

}  // namespace
}  // namespace salf::train
