// A run by itself, without the loop.
#include "train/run/run.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <string>

#include "train/run/checkpoint.h"
#include "train/run/stage.h"
#include "training_setup.h"

namespace salf::train {
namespace {

std::string after_steps(Run& run, const TinyRun& setup, int steps) {
  for (int i = 0; i < steps; ++i) EXPECT_TRUE(run.step(0.01).has_value());
  return setup.saved_bytes();
}

TEST(Run, GoesOnFromASnapshotAndFromACheckpointBitForBit) {
  for (const std::int64_t cut : {0, 1}) {
    SCOPED_TRACE(cut);
    TinyRun setup;
    setup.plan.cut = cut;
    const TemporaryFolder folder;
    const RunInputs inputs = setup.inputs(folder.path()).run;
    train::Run run(inputs);
    const std::string third = after_steps(run, setup, 3);
    const RunSnapshot snapshot = run.snapshot();
    run.checkpoint({});
    const std::string fifth = after_steps(run, setup, 2);
    EXPECT_NE(fifth, third);

    run.restore(snapshot);
    EXPECT_EQ(run.state().step, 3);
    EXPECT_EQ(setup.saved_bytes(), third);
    EXPECT_EQ(after_steps(run, setup, 2), fifth);

    TinyRun other;
    other.plan.cut = cut;
    const RunInputs again = other.inputs(folder.path()).run;
    const Checkpoint saved = *read_latest_checkpoint(folder.path());
    train::Run resumed(again, 0, &saved.run);
    EXPECT_EQ(resumed.state().step, 3);
    EXPECT_EQ(after_steps(resumed, other, 2), fifth);
  }
}

TEST(Run, FinishesWithTheWeightsThatWereKept) {
  const TinyRun setup;
  const TemporaryFolder folder;
  const RunInputs inputs = setup.inputs(folder.path()).run;
  train::Run run(inputs);
  core::Progress progress;
  const auto evaluate = [&] {
    const MeasuredLosses losses = run.evaluate({}, progress);
    EXPECT_TRUE(run.add(run.dev_evaluation(losses.evaluation)));
    run.keep_if_best(losses.evaluation.accuracy.value);
  };
  evaluate();
  const std::string before = setup.saved_bytes();
  run.step(100.0);  // far too much
  evaluate();
  EXPECT_EQ(run.state().worse_evaluations, 1);
  EXPECT_TRUE(run.state().out_of_patience(1));
  EXPECT_FALSE(run.state().out_of_patience(2));
  EXPECT_FALSE(run.state().out_of_patience(0));
  const types::RunRecord record = run.finish(types::RunStatus::kFinished);
  EXPECT_EQ(record.best->step, 0);
  EXPECT_EQ(record.after->step, 1);
  EXPECT_EQ(setup.saved_bytes(), before);
}

TEST(TrainingFlops, AreThoseOfAttentionWithinSegments) {
  const TinyRun setup;
  tensor::Batch batch = setup.train_batches.make(setup.train_batches.in_order().front());
  const std::int64_t rows = batch.rows(), length = batch.length();
  types::ModelShape shape;
  shape.blocks = 1;
  shape.hidden = 8;
  shape.block_parameters = shape.block_matrix_parameters = {100};
  const double whole = training_flops(shape, batch, 0, false);
  batch.segments = at::arange(rows + 1, at::kLong) * length;
  EXPECT_DOUBLE_EQ(training_flops(shape, batch, 0, false), whole);
  batch.segments = at::arange(rows * length + 1, at::kLong);  // each token by itself
  EXPECT_LT(training_flops(shape, batch, 0, false), whole);
}

TEST(CheckpointTimer, CountsFromTheLastOne) {
  TrainOptions options;
  options.checkpoint_seconds = 60.0;
  options.checkpoint_steps = 10;
  CheckpointTimer timer(options);
  EXPECT_FALSE(timer.due(0, 100.0));
  EXPECT_TRUE(timer.due(3, 60.0));
  EXPECT_FALSE(timer.due(3, 59.0));
  EXPECT_TRUE(timer.due(10, 1.0));
  EXPECT_DOUBLE_EQ(timer.seconds(100'000'000), 16.0);
  timer.saved(10, 70.0, 2.0);
  EXPECT_FALSE(timer.due(10, 500.0));
  EXPECT_FALSE(timer.due(11, 129.0));
  EXPECT_TRUE(timer.due(11, 130.0));
  EXPECT_DOUBLE_EQ(timer.seconds(100'000'000), 2.0);
}

}  // namespace
}  // namespace salf::train
