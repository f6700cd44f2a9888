// One trunk gives the runs of several lengths.
#include <ATen/Functions.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "train/run/trainer.h"
#include "train/step/schedule.h"
#include "training_setup.h"

namespace salf::train {
namespace {

struct Ran {
  types::RunRecord record;
  std::string bytes;  // of the model
};

TinyRun setup_of(std::int64_t steps, std::int64_t cut) {
  TinyRun setup;
  setup.plan.cut = cut;
  setup.plan.steps = steps;
  setup.plan.budget = {static_cast<double>(steps), types::BudgetUnit::kSteps};
  return setup;
}

Ran run(std::int64_t steps, std::int64_t cut) {
  const TinyRun setup = setup_of(steps, cut);
  const TemporaryFolder folder;
  core::Progress progress;
  const types::RunRecord record = train(setup.inputs(folder.path()), progress);
  return {record, setup.saved_bytes()};
}

struct Trunk {
  std::vector<Ran> branches;
  Ran end;
  std::vector<std::string> metrics;
};

Trunk run_trunk(std::int64_t steps, std::int64_t cut, const std::vector<std::int64_t>& branches) {
  const TinyRun setup = setup_of(steps, cut);
  const TemporaryFolder folder;
  core::Progress progress;
  TrainInputs inputs = setup.inputs(folder.path());
  Trunk trunk;
  inputs.branches = branches;
  inputs.branched = [&](const types::RunRecord& record) {
    trunk.branches.push_back({record, setup.saved_bytes()});
  };
  const types::RunRecord record = train(inputs, progress);
  trunk.end = {record, setup.saved_bytes()};
  trunk.metrics = read_lines(folder.path() / "metrics.jsonl");
  return trunk;
}

// Both warm up for the same number of steps, so that a branch is the shorter run bit for bit.
constexpr std::int64_t kLong = 20, kShort = 12;

TEST(Branches, AreTheRunsOfFewerSteps) {
  ASSERT_EQ(warmup_steps(kLong), warmup_steps(kShort));
  for (const std::int64_t cut : {0, 1}) {
    SCOPED_TRACE(cut);
    const Trunk trunk = run_trunk(kLong, cut, {kShort});
    const Ran alone = run(kShort, cut);
    ASSERT_EQ(trunk.branches.size(), 1U);
    EXPECT_EQ(trunk.branches[0].bytes, alone.bytes);
    EXPECT_EQ(trunk.branches[0].record.steps, kShort);
    EXPECT_EQ(trunk.branches[0].record.tokens, alone.record.tokens);
    EXPECT_EQ(trunk.branches[0].record.best->loss, alone.record.best->loss);
  }
}

TEST(Branches, LeaveNoTraceInTheTrunk) {
  for (const std::int64_t cut : {0, 1}) {
    SCOPED_TRACE(cut);
    const Trunk trunk = run_trunk(kLong, cut, {kShort, kShort + 3});
    const Ran plain = run(kLong, cut);
    ASSERT_EQ(trunk.branches.size(), 2U);
    EXPECT_NE(trunk.branches[0].bytes, trunk.branches[1].bytes);
    EXPECT_EQ(trunk.end.bytes, plain.bytes);
    EXPECT_EQ(trunk.end.record.steps, plain.record.steps);
    EXPECT_EQ(trunk.end.record.evaluations.size(), plain.record.evaluations.size());
    EXPECT_EQ(
        trunk.metrics.size(), static_cast<std::size_t>(kLong) + plain.record.evaluations.size());
  }
}

}  // namespace
}  // namespace salf::train
