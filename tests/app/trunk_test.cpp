// Control arms: any set of blocks is trained, also one that changes from step to step; and one
// trunk gives the runs of several lengths.
#include "app/evidence/trunk.h"

#include <ATen/Functions.h>
#include <gtest/gtest.h>

#include <map>
#include <string>
#include <vector>

#include "train/run/trainer.h"
#include "train/step/schedule.h"
#include "train/training_setup.h"

namespace salf::app {
namespace {

using testing::TemporaryFolder;
using train::TinyRun;

struct Moved {
  explicit Moved(const TinyRun& setup) : setup_(setup) {
    for (const auto& parameter : setup.model.parameters())
      before_[parameter.name] = parameter.tensor.clone();
  }
  bool operator()(const std::string& name) const {
    return !at::equal(setup_.model.parameter(name).tensor, before_.at(name));
  }
  bool block(std::int64_t index) const {
    bool any = false, all = true;
    for (const auto& name : setup_.graph.block_parameters(index)) {
      any = any || (*this)(name);
      all = all && (*this)(name);
    }
    EXPECT_EQ(any, all) << "block " << index << " in part";
    return any;
  }

  const TinyRun& setup_;
  std::map<std::string, at::Tensor> before_;
};

types::RunRecord run_blocks(
    const TinyRun& setup, const std::function<std::vector<std::int64_t>(std::int64_t)>& blocks) {
  const TemporaryFolder folder;
  const train::TrainInputs inputs = setup.inputs(folder.path());
  core::Progress progress;
  types::RunRecord last;
  const auto keep = [&](const types::RunRecord& record) { last = record; };
  run_trunk(inputs.run, {{setup.plan.steps}, blocks, {}}, keep, progress);
  return last;
}

TEST(TrainedBlocks, NoOthersMove) {
  const TinyRun setup;
  const Moved moved(setup);
  const types::RunRecord record = run_blocks(setup, [](std::int64_t) {
    return std::vector<std::int64_t>{0, 2};
  });
  EXPECT_LT(record.best->loss, record.before->loss);
  EXPECT_TRUE(moved.block(0));
  EXPECT_FALSE(moved.block(1));
  EXPECT_TRUE(moved.block(2));
  EXPECT_FALSE(moved(setup.graph.map().embedding_parameter));
  EXPECT_FALSE(moved(setup.graph.map().head_parameter));
}

TEST(TrainedBlocks, TheLastOnesAreACut) {
  TinyRun graph;
  graph.plan.cut = 1;
  const TemporaryFolder folder;
  core::Progress progress;
  const types::RunRecord by_cut = train::train(graph.inputs(folder.path()), progress);
  const TinyRun set;
  const types::RunRecord by_set = run_blocks(set, [](std::int64_t) {
    return std::vector<std::int64_t>{1, 2};
  });
  EXPECT_NEAR(by_set.best->loss, by_cut.best->loss, 1e-5);
}

TEST(TrainedBlocks, MayBeDrawnAgain) {
  const TinyRun setup;
  const Moved moved(setup);
  run_blocks(setup, [](std::int64_t step) { return std::vector<std::int64_t>{step < 6 ? 0 : 2}; });
  EXPECT_TRUE(moved.block(0));
  EXPECT_FALSE(moved.block(1));
  EXPECT_TRUE(moved.block(2));
}

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
  const types::RunRecord record = train::train(setup.inputs(folder.path()), progress);
  return {record, setup.saved_bytes()};
}

// Counts what the observers of a trunk learn.
struct Counter : train::RunObserver {
  void step(const train::StepMetrics& /*metrics*/) override { ++lines; }
  void evaluation(const types::DevEvaluation& /*evaluation*/,
      const std::vector<train::DocumentLoss>& /*documents*/) override {
    ++lines;
  }
  std::size_t lines = 0;
};

struct Trunks {
  std::vector<Ran> branches;
  Ran end;
  std::size_t told = 0;
};

Trunks run_lengths(
    std::int64_t steps, std::int64_t cut, const std::vector<std::int64_t>& branches) {
  const TinyRun setup = setup_of(steps, cut);
  const TemporaryFolder folder;
  core::Progress progress;
  const train::TrainInputs inputs = setup.inputs(folder.path());
  Trunks ran;
  Counter counter;
  Trunk trunk{branches, {}, {&counter}};
  trunk.lengths.push_back(steps);
  const auto keep = [&](const types::RunRecord& record) {
    ran.branches.push_back({record, setup.saved_bytes()});
  };
  EXPECT_EQ(run_trunk(inputs.run, trunk, keep, progress), types::RunStatus::kFinished);
  ran.end = ran.branches.back();
  ran.branches.pop_back();
  ran.told = counter.lines;
  return ran;
}

// Both warm up for the same number of steps, so that a branch is the shorter run bit for bit.
constexpr std::int64_t kLong = 20, kShort = 12;

TEST(Branches, AreTheRunsOfFewerSteps) {
  ASSERT_EQ(train::warmup_steps(kLong), train::warmup_steps(kShort));
  for (const std::int64_t cut : {0, 1}) {
    SCOPED_TRACE(cut);
    const Trunks trunk = run_lengths(kLong, cut, {kShort});
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
    const Trunks trunk = run_lengths(kLong, cut, {kShort, kShort + 3});
    const Ran plain = run(kLong, cut);
    ASSERT_EQ(trunk.branches.size(), 2U);
    EXPECT_NE(trunk.branches[0].bytes, trunk.branches[1].bytes);
    EXPECT_EQ(trunk.end.bytes, plain.bytes);
    EXPECT_EQ(trunk.end.record.steps, plain.record.steps);
    EXPECT_EQ(trunk.end.record.evaluations.size(), plain.record.evaluations.size());
    EXPECT_EQ(trunk.told, static_cast<std::size_t>(kLong) + plain.record.evaluations.size());
  }
}

TEST(Branches, AStopIsTheStatusAndNothingMoreIsDone) {
  for (const std::int64_t when : {4, 11, 15}) {
    SCOPED_TRACE(when);
    const TinyRun setup = setup_of(kLong, 0);
    const TemporaryFolder folder;
    train::StopAt progress(when);
    const train::TrainInputs inputs = setup.inputs(folder.path());
    int done = 0;
    EXPECT_EQ(run_trunk(
                  inputs.run, {{kShort, kLong}, {}, {}}, [&](const types::RunRecord&) { ++done; },
                  progress),
        types::RunStatus::kInterrupted);
    EXPECT_EQ(done, when == 15 ? 1 : 0);
  }
}

}  // namespace
}  // namespace salf::app
