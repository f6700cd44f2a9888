#include "salf/train/prefix_cache.h"

#include <gtest/gtest.h>
#include <torch/types.h>

#include <filesystem>

#include "salf/core/error.h"
#include "salf/core/json.h"
#include "salf/train/trainer.h"
#include "training_setup.h"

namespace salf::train {
namespace {

constexpr std::int64_t kEof = 2;

class PrefixCacheTest : public ::testing::Test {
 protected:
  // The largest difference at the positions that are no padding.
  static double difference(const at::Tensor& a, const at::Tensor& b, const tensor::Batch& batch) {
    at::Tensor apart = (a - b).abs().amax(-1);
    if (batch.mask.defined()) apart = apart * batch.mask;
    return apart.max().item<double>();
  }

  at::Tensor plain(const tensor::Batch& batch) const {
    const torch::NoGradGuard quiet;
    return run_.cut.prefix(batch, kEof);
  }

  TemporaryFolder folder_;
  TinyRun run_{true, 1};
  std::vector<data::BatchPlan> first_ = run_.train_batches.epoch(5, 0);
  PrefixCache cache_{run_.cut, kEof, run_.train_batches, first_, folder_.path()};
};

TEST_F(PrefixCacheTest, IsThePrefixBitForBitInItsOwnPass) {
  for (int pass = 0; pass < 2; ++pass) {
    for (const auto& plan : first_) {
      const tensor::Batch batch = run_.train_batches.make(plan);
      EXPECT_EQ(cache_.holds(batch), pass == 1);
      EXPECT_EQ(difference(cache_.hidden(batch), plain(batch), batch), 0.0);
    }
  }
}

TEST_F(PrefixCacheTest, IsThePrefixInOtherBatches) {
  for (const auto& plan : run_.train_batches.epoch(5, 1)) {
    const tensor::Batch batch = run_.train_batches.make(plan);
    const at::Tensor hidden = cache_.hidden(batch);
    EXPECT_LE(difference(hidden, plain(batch), batch), 1e-5);
    EXPECT_FALSE(hidden.requires_grad());
  }
}

TEST_F(PrefixCacheTest, GivesTheSameWhereverARunBegins) {
  PrefixCache resumed(run_.cut, kEof, run_.train_batches, first_, folder_.path());
  for (const auto& plan : first_) cache_.hidden(run_.train_batches.make(plan));
  for (const auto& plan : run_.train_batches.epoch(5, 3)) {
    const tensor::Batch batch = run_.train_batches.make(plan);
    EXPECT_EQ(difference(cache_.hidden(batch), resumed.hidden(batch), batch), 0.0);
  }
}

TEST_F(PrefixCacheTest, LeavesNoFileAndNeedsTheSpaceOfItsTokens) {
  EXPECT_TRUE(std::filesystem::is_empty(folder_.path()));
  EXPECT_EQ(PrefixCache::bytes(run_.train_batches, 16),
            static_cast<std::uint64_t>(run_.train_batches.real_tokens()) * 16 * 4);
  EXPECT_THROW(PrefixCache(run_.cut, kEof, run_.train_batches, first_, folder_.path() / "none"), Error);
}

// The losses of the steps, with and without the cache.
std::vector<double> losses(bool no_cache) {
  const TemporaryFolder folder;
  TinyRun run(false, 1);
  run.plan.eof = kEof;
  run.plan.epochs = 3.0;
  run.plan.steps = 3 * static_cast<std::int64_t>(run.train_batches.epoch(1, 0).size());
  run.plan.budget = {static_cast<double>(run.plan.steps), types::BudgetUnit::kSteps};
  TrainInputs inputs = run.inputs(folder.path());
  inputs.options.no_cache = no_cache;
  core::Progress progress;
  const types::RunRecord record = train(inputs, progress);
  std::vector<double> result;
  for (const auto& line : read_lines(folder.path() / "metrics.jsonl")) {
    const core::Json step = core::parse_json(line, "metrics.jsonl");
    result.push_back(step.contains("loss") ? step["loss"].get<double>() : step["dev_loss"].get<double>());
  }
  EXPECT_EQ(record.steps, run.plan.steps);
  return result;
}

TEST(TrainWithPrefixCache, LearnsAsWithoutIt) {
  const std::vector<double> cached = losses(false), plain = losses(true);
  ASSERT_EQ(cached.size(), plain.size());
  for (std::size_t i = 0; i < cached.size(); ++i) EXPECT_NEAR(cached[i], plain[i], 1e-5) << i;
  for (std::size_t i = 0; i < cached.size() / 4; ++i) EXPECT_EQ(cached[i], plain[i]) << i;
}

}  // namespace
}  // namespace salf::train
