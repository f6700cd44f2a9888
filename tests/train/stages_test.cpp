// The cut moves from deep to shallow within one run.
#include <ATen/Functions.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <string>
#include <vector>

#include "support/sample_documents.h"
#include "train/run/trainer.h"
#include "training_setup.h"

namespace salf::train {
namespace {

using types::BudgetUnit;
using types::RunStatus;
using types::StageChoice;

types::StageDecision always(StageChoice choice) {
  types::StageDecision decision;
  decision.choice = choice;
  decision.reason = "so that something happens";
  return decision;
}

// Cuts 2, 1, 0 of three blocks in 20 steps, the data seen more than twice.
struct StagedRun : TinyRun {
  explicit StagedRun(std::vector<std::int64_t> cuts = {2, 1, 0}) : TinyRun(false) {
    plan.stages = std::move(cuts);
    plan.cut = plan.stages.back();
    plan.shape = support::sample_shape(kTestBlocks);
    plan.cost = support::sample_cost();
    plan.data = support::sample_data();
    plan.steps = 20;
    plan.budget = {20.0, BudgetUnit::kSteps};
    plan.epochs = 20.0 / static_cast<double>(train_batches.epoch(1, 0).size());
    for (std::int64_t cut = 0; cut < kTestBlocks; ++cut) {
      types::Candidate candidate;
      candidate.cut = cut;
      candidate.learning_rate = 0.004 * static_cast<double>(cut + 1);
      plan.candidates.push_back(candidate);
    }
  }

  TrainInputs staged(
      const std::filesystem::path& folder, StageChoice choice = StageChoice::kNext) const {
    TrainInputs made = inputs(folder);
    made.stages = choice == StageChoice::kNext ? &next_ : &stay_;
    return made;
  }

 private:
  mutable Decider next_{[](const types::StageEnd&) { return always(StageChoice::kNext); }};
  mutable Decider stay_{[](const types::StageEnd&) { return always(StageChoice::kStay); }};
};

struct Ended {
  types::RunRecord record;
  std::string model;
  std::vector<std::string> lines;
};

Ended run_staged(const TrainOptions& options = {}, std::vector<std::int64_t> cuts = {2, 1, 0},
    StageChoice choice = StageChoice::kNext) {
  const StagedRun setup(std::move(cuts));
  const TemporaryFolder folder;
  core::Progress progress;
  TrainInputs inputs = setup.staged(folder.path(), choice);
  inputs.run.how.options = options;
  const types::RunRecord record = train(inputs, progress);
  return {record, setup.saved_bytes(), timeless(folder.path())};
}

std::map<std::string, at::Tensor> copies(const TinyRun& setup) {
  std::map<std::string, at::Tensor> all;
  for (const auto& parameter : setup.model.parameters())
    all[parameter.name] = parameter.tensor.detach().clone();
  return all;
}

TEST(Stages, UnfreezeFromDeepToShallow) {
  const StagedRun setup;
  const TemporaryFolder folder;
  const auto before = copies(setup);
  const auto moved = [&](std::int64_t block) {
    for (const auto& name : setup.graph.block_parameters(block)) {
      for (const auto& parameter : setup.model.parameters()) {
        if (parameter.name == name && !at::equal(parameter.tensor, before.at(name))) return true;
      }
    }
    return false;
  };
  std::vector<std::int64_t> trained;
  std::vector<types::StageEnd> ends;
  TrainInputs inputs = setup.inputs(folder.path());
  Decider decider([&](const types::StageEnd& end) {
    trained.push_back(moved(0) ? 0 : moved(1) ? 1 : 2);
    ends.push_back(end);
    return always(StageChoice::kNext);
  });
  inputs.stages = &decider;
  core::Progress progress;
  const types::RunRecord record = train(inputs, progress);
  EXPECT_EQ(record.status, RunStatus::kFinished);
  EXPECT_EQ(trained, (std::vector<std::int64_t>{2, 1}));
  EXPECT_TRUE(moved(0));
  ASSERT_EQ(record.stages.size(), 3U);
  std::int64_t steps = 0;
  for (std::size_t i = 0; i < 3; ++i) {
    const types::StageRecord& stage = record.stages[i];
    EXPECT_EQ(stage.cut, 2 - static_cast<std::int64_t>(i));
    EXPECT_EQ(stage.first_step, steps);
    ASSERT_TRUE(stage.evaluation.has_value());
    steps += stage.steps;
    EXPECT_EQ(stage.evaluation->step, steps);
    EXPECT_EQ(stage.decision.choice, i < 2 ? StageChoice::kNext : StageChoice::kNone);
  }
  EXPECT_EQ(steps, 20);
  EXPECT_EQ(record.cut(), 0);
  EXPECT_EQ(record.stages[1].first_step, 5);  // 0.8 of 20 steps in three
  EXPECT_EQ(ends[0].steps_next, 15.0);
  EXPECT_EQ(ends[1].stages.size(), 2U);
  EXPECT_EQ(ends[1].next_cut, 0);
}

TEST(Stages, TakeTheirOwnLearningRatesWarmedUpAgain) {
  const StagedRun setup;
  const TemporaryFolder folder;
  core::Progress progress;
  const types::RunRecord record = train(setup.staged(folder.path()), progress);
  const auto steps = metrics(folder.path(), "lr");
  const auto rate = [&](std::int64_t step) {
    return steps[static_cast<std::size_t>(step)]["lr"].get<double>();
  };
  EXPECT_DOUBLE_EQ(rate(4), 0.012);
  EXPECT_DOUBLE_EQ(rate(5), 0.004);  // half of 0.008
  EXPECT_DOUBLE_EQ(rate(6), 0.008);
  EXPECT_DOUBLE_EQ(rate(10), 0.005);  // half of the plan's own
  EXPECT_DOUBLE_EQ(rate(11), 0.01);
  EXPECT_DOUBLE_EQ(record.stages[1].learning_rate, 0.008);
}

TEST(Stages, OneThatStaysIsARunAtItsCut) {
  const Ended staged = run_staged({}, {2, 1}, StageChoice::kStay);
  StagedRun plain({2});
  plain.plan.stages.clear();
  plain.plan.learning_rate = 0.012;
  const TemporaryFolder folder;
  core::Progress progress;
  TrainInputs inputs = plain.inputs(folder.path());
  train(inputs, progress);
  EXPECT_EQ(staged.model, plain.saved_bytes());
  EXPECT_EQ(staged.record.cut(), 2);
  EXPECT_EQ(staged.record.plan.cut, 1);
  ASSERT_EQ(staged.record.stages.size(), 1U);
  EXPECT_EQ(staged.record.stages[0].decision.choice, StageChoice::kStay);
  EXPECT_EQ(staged.record.stages[0].steps, 20);
}

TEST(Stages, AgainAreTheSameBytes) { EXPECT_EQ(run_staged().model, run_staged().model); }

TEST(Stages, LearnAsWithoutACache) {
  TrainOptions plain;
  plain.no_cache = true;
  for (const std::vector<std::int64_t>& cuts :
      {std::vector<std::int64_t>{2, 1, 0}, std::vector<std::int64_t>{2, 1}}) {
    const Ended with = run_staged({}, cuts), without = run_staged(plain, cuts);
    EXPECT_TRUE(with.record.cache.has_value());
    EXPECT_FALSE(without.record.cache.has_value());
    EXPECT_NEAR(with.record.best->loss, without.record.best->loss, 1e-4);
  }
}

// Each row is computed once for each cut; the second stage, after the first has seen all, computes
// none.
TEST(Stages, TheShallowerCutIsKeptOnTheWay) {
  StagedRun setup({2, 1});
  setup.plan.steps = 40;
  setup.plan.budget.amount = 40.0;
  ASSERT_GT(0.4 * 40.0, static_cast<double>(setup.train_batches.epoch(1, 0).size()));
  const TemporaryFolder folder;
  core::Progress progress;
  TrainInputs inputs = setup.staged(folder.path());
  inputs.run.how.options.patience = 0;
  const types::RunRecord record = train(inputs, progress);
  ASSERT_TRUE(record.cache.has_value());
  EXPECT_EQ(
      record.cache->rows_computed, 2 * (setup.train_batches.rows() + setup.dev_batches.rows()));
  EXPECT_TRUE(record.cache->complete);
  EXPECT_GT(record.frozen_bytes_mapped, 0);
}

TEST(Stages, InterruptedAndResumedIsAsIfNothingHadHappened) {
  const Ended whole = run_staged();
  for (const std::int64_t when : {3, 5, 6, 10, 13, 19}) {
    SCOPED_TRACE(when);
    const TemporaryFolder folder;
    {
      const StagedRun setup;
      StopAt progress(when);
      EXPECT_EQ(train(setup.staged(folder.path()), progress).status, RunStatus::kInterrupted);
    }
    const StagedRun setup;
    core::Progress progress;
    TrainInputs inputs = setup.staged(folder.path());
    inputs.resume = true;
    const types::RunRecord record = train(inputs, progress);
    EXPECT_EQ(record.status, RunStatus::kFinished);
    EXPECT_EQ(setup.saved_bytes(), whole.model);
    EXPECT_EQ(timeless(folder.path()), whole.lines);
    ASSERT_EQ(record.stages.size(), 3U);
    EXPECT_EQ(record.stages[2].first_step, whole.record.stages[2].first_step);
  }
}

// Of a hundred seconds; a step of the deep cut takes half a second, of everything one and a half.
struct TimedStages : StagedRun {
  TimedStages() : StagedRun({2, 0}) {
    plan.steps = 80;
    plan.budget = {100.0, BudgetUnit::kSeconds};
    plan.learning_rate = 0.004;
  }
};

TEST(Stages, ATimeBudgetIsKeptAndReplayedWithoutItsClock) {
  for (const StageChoice choice : {StageChoice::kNext, StageChoice::kStay}) {
    const TimedStages first;
    const TemporaryFolder folder;
    bool unfrozen = false;
    SlowMachine machine([&](std::int64_t) { return unfrozen ? 1.5 : 0.5; }, 0.1);
    TrainInputs inputs = first.inputs(folder.path());
    inputs.run.how.options.patience = 0;
    inputs.clock = &machine;
    inputs.closing_seconds = 2.0;
    Decider decider([&](const types::StageEnd& end) {
      EXPECT_NEAR(end.steps_staying, (98.0 - machine.now()) / 0.5, 6.0);
      unfrozen = choice == StageChoice::kNext;
      return always(choice);
    });
    inputs.stages = &decider;
    const types::RunRecord record = train(inputs, machine);
    EXPECT_LE(machine.now() + 2.0, 100.0);
    EXPECT_GE(machine.now(), 85.0);
    ASSERT_EQ(record.stages.size(), unfrozen ? 2U : 1U);
    if (unfrozen) {
      EXPECT_NEAR(record.stages[0].seconds, 0.4 * 93.0, 4.0);
    }

    const TimedStages second;
    const TemporaryFolder again;
    core::Progress progress;
    TrainInputs replayed = second.inputs(again.path());
    replayed.run.how.options.patience = 0;
    replayed.replay = replay_of(record);
    const types::RunRecord repeated = train(replayed, progress);
    EXPECT_EQ(second.saved_bytes(), first.saved_bytes());
    ASSERT_EQ(repeated.stages.size(), record.stages.size());
    for (std::size_t i = 0; i < record.stages.size(); ++i) {
      EXPECT_EQ(repeated.stages[i].decision.choice, record.stages[i].decision.choice);
      EXPECT_EQ(repeated.stages[i].steps, record.stages[i].steps);
    }
  }
}

TEST(Stages, AFailedGateGoesBackToTheWeightsBefore) {
  const StagedRun setup;
  const std::string before = setup.saved_bytes();
  const TemporaryFolder folder;
  core::Progress progress;
  TrainInputs inputs = setup.staged(folder.path());
  inputs.gates = types::parse_gates({"dev_loss<=0.001"});
  const types::RunRecord record = train(inputs, progress);
  EXPECT_EQ(record.status, RunStatus::kGateFailed);
  EXPECT_EQ(record.stages.size(), 1U);
  EXPECT_EQ(setup.saved_bytes(), before);
}

}  // namespace
}  // namespace salf::train
