// Quality gates: which weights a run ends with when one fails.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "train/run/gate_check.h"
#include "train/run/trainer.h"
#include "training_setup.h"

namespace salf::train {
namespace {

using ::testing::HasSubstr;
using types::RunStatus;

// A full run of 12 steps with evaluations after 0, 6 and 12.
class Gates : public ::testing::Test {
 protected:
  static types::RunRecord run(
      TinyRun& setup, const std::vector<std::string>& gates, const TemporaryFolder& folder) {
    TrainInputs inputs = setup.inputs(folder.path());
    inputs.gates = types::parse_gates(gates);
    core::Progress quiet;
    return train(inputs, quiet);
  }
};

TEST_F(Gates, ThatHoldChangeNothingAndAreRecorded) {
  TinyRun plain, gated;
  TemporaryFolder first, second;
  const types::RunRecord record =
      run(gated, {"dev_loss<=100", "end:seconds<=1h", "peak_memory>=1", "dev_accuracy>=0"}, second);
  run(plain, {}, first);
  EXPECT_EQ(gated.saved_bytes(), plain.saved_bytes());
  EXPECT_EQ(record.status, RunStatus::kFinished);
  ASSERT_EQ(record.gates.size(), 4U);
  for (const types::Gate& gate : record.gates) {
    EXPECT_TRUE(gate.passed) << types::format_gate(gate);
    ASSERT_TRUE(gate.value.has_value());
  }
  EXPECT_EQ(*record.gates[0].value, record.best->loss);
}

TEST_F(Gates, ThatFailAtOnceLeaveTheWeightsBefore) {
  TinyRun setup;
  TemporaryFolder folder;
  const std::string before = setup.saved_bytes();
  const types::RunRecord record = run(setup, {"dev_loss<=0.01"}, folder);
  EXPECT_EQ(record.status, RunStatus::kGateFailed);
  EXPECT_EQ(setup.saved_bytes(), before);
  ASSERT_EQ(record.evaluations.size(), 2U);  // before the first step no gate is looked at
  EXPECT_LT(record.steps, setup.plan.steps);
  EXPECT_EQ(record.best->step, 0);
  EXPECT_FALSE(record.gates[0].passed);
  EXPECT_EQ(*record.gates[0].value, record.evaluations[1].loss);
  EXPECT_EQ(record.gates[0].step, record.evaluations[1].step);
}

TEST_F(Gates, ThatFailLaterLeaveTheLastGoodWeights) {
  TinyRun plain, gated, shorter;
  TemporaryFolder first, second, third;
  const types::RunRecord free = run(plain, {}, first);
  ASSERT_EQ(free.evaluations.size(), 3U);
  ASSERT_LT(free.evaluations[2].loss, free.evaluations[1].loss);
  // Holds after the first half and fails at the end: too good.
  const double between = 0.5 * (free.evaluations[1].loss + free.evaluations[2].loss);
  const types::RunRecord record = run(gated, {"dev_loss>=" + std::to_string(between)}, second);
  EXPECT_EQ(record.status, RunStatus::kGateFailed);
  EXPECT_EQ(record.steps, 12);
  EXPECT_EQ(record.best->step, free.evaluations[1].step);
  EXPECT_EQ(record.best->loss, free.evaluations[1].loss);
  // What is in the model is what that evaluation saw.
  core::Progress quiet;
  EXPECT_NEAR(evaluate(gated.graph, gated.dev_batches, {}, quiet).evaluation.loss.value,
      record.best->loss, 1e-6);
}

TEST_F(Gates, AtTheEndAloneJudgeTheWeightsThatAreKept) {
  TinyRun setup;
  TemporaryFolder folder;
  const types::RunRecord record =
      run(setup, {"end:loss_increase<=-100", "loss_increase<=0.5"}, folder);
  EXPECT_EQ(record.status, RunStatus::kGateFailed);
  EXPECT_EQ(record.steps, 12);  // not before
  EXPECT_FALSE(record.gates[0].passed);
  EXPECT_TRUE(record.gates[1].passed);
  EXPECT_DOUBLE_EQ(*record.gates[0].value, record.best->loss - record.before->loss);
}

TEST_F(Gates, CompareWithTheLossBeforeEvenWhereOnlyOneEvaluationIsPlanned) {
  TinyRun setup;
  setup.plan.evaluations = 1;
  TemporaryFolder folder;
  const types::RunRecord record = run(setup, {"loss_increase<=0"}, folder);
  ASSERT_TRUE(record.before.has_value());
  EXPECT_TRUE(record.gates[0].passed);
}

TEST_F(Gates, AreKeptOverAnInterruption) {
  TinyRun setup;
  TemporaryFolder folder;
  TrainInputs inputs = setup.inputs(folder.path());
  inputs.gates = types::parse_gates({"dev_loss<=100", "end:dev_accuracy>=99.9%"});
  {
    StopAt progress(8);
    EXPECT_EQ(train(inputs, progress).status, RunStatus::kInterrupted);
  }
  inputs.resume = true;
  core::Progress quiet;
  const types::RunRecord record = train(inputs, quiet);
  EXPECT_EQ(record.status, RunStatus::kGateFailed);
  ASSERT_EQ(record.gates.size(), 2U);
  EXPECT_TRUE(record.gates[0].passed);
  EXPECT_TRUE(record.gates[1].value.has_value());
}

TEST(CheckGates, AFigureThatIsNotKnownPassesNothing) {
  std::vector<types::Gate> gates =
      types::parse_gates({"dev_loss<=1", "seconds<=5", "end:dev_loss>=0"});
  RunFigures figures;
  figures.seconds = 4.0;
  const std::vector<std::string> failures = check_gates(gates, figures, false);
  ASSERT_EQ(failures.size(), 1U);
  EXPECT_THAT(failures[0], HasSubstr("gate dev_loss<=1 failed: no evaluation tells its figure"));
  EXPECT_TRUE(gates[1].passed);
  EXPECT_FALSE(gates[2].value.has_value());
  EXPECT_EQ(check_gates(gates, figures, true).size(), 2U);
}

}  // namespace
}  // namespace salf::train
