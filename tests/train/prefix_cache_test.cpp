#include "train/cache/prefix_cache.h"

#include <gtest/gtest.h>
#include <torch/types.h>

#include <filesystem>
#include <fstream>
#include <functional>
#include <memory>

#include "core/error.h"
#include "core/json.h"
#include "core/log.h"
#include "cost/flops.h"
#include "support/sample_documents.h"
#include "train/run/trainer.h"
#include "training_setup.h"

namespace salf::train {
namespace {

constexpr std::int64_t kCachedCut = 2;

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
    return run_.graph.prefix(batch, kCachedCut);
  }

  TemporaryFolder folder_;
  TinyRun run_{true, 1};
  std::vector<data::BatchPlan> first_ = run_.train_batches.epoch(5, 0);
  CacheSetup setup_{kCachedCut, types::CacheType::kFloat32, folder_.path(), "", {}};
  PrefixCache cache_{run_.graph, run_.train_batches, first_, setup_};
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
  PrefixCache resumed(run_.graph, run_.train_batches, first_, setup_);
  for (const auto& plan : first_) cache_.hidden(run_.train_batches.make(plan));
  for (const auto& plan : run_.train_batches.epoch(5, 3)) {
    const tensor::Batch batch = run_.train_batches.make(plan);
    EXPECT_EQ(difference(cache_.hidden(batch), resumed.hidden(batch), batch), 0.0);
  }
}

TEST_F(PrefixCacheTest, LeavesNoFileAndNeedsTheSpaceOfItsTokens) {
  EXPECT_TRUE(std::filesystem::is_empty(folder_.path()));
  const auto tokens = static_cast<std::uint64_t>(run_.train_batches.real_tokens());
  EXPECT_EQ(
      PrefixCache::bytes(run_.train_batches, 16, types::CacheType::kFloat32), tokens * 16 * 4);
  EXPECT_EQ(
      PrefixCache::bytes(run_.train_batches, 16, types::CacheType::kBFloat16), tokens * 16 * 2);
  setup_.folder = folder_ / "none";
  EXPECT_THROW(PrefixCache(run_.graph, run_.train_batches, first_, setup_), Error);
}

TEST_F(PrefixCacheTest, RoundsToBFloat16InEveryPass) {
  setup_.type = types::CacheType::kBFloat16;
  PrefixCache halved(run_.graph, run_.train_batches, first_, setup_);
  for (int pass = 0; pass < 2; ++pass) {
    for (const auto& plan : first_) {
      const tensor::Batch batch = run_.train_batches.make(plan);
      const at::Tensor rounded = plain(batch).to(at::kBFloat16).to(at::kFloat);
      EXPECT_EQ(difference(halved.hidden(batch), rounded, batch), 0.0);
    }
  }
}

// A cache with a name, made, left and found again.
class KeptCacheTest : public PrefixCacheTest {
 protected:
  KeptCacheTest() {
    setup_.name = "kept";
    setup_.key["model"] = "m";
    core::set_log_level(core::LogLevel::kOff);
  }
  ~KeptCacheTest() override { core::set_log_level(core::LogLevel::kInfo); }

  std::unique_ptr<PrefixCache> open() {
    return std::make_unique<PrefixCache>(run_.graph, run_.train_batches, first_, setup_);
  }

  void fill(std::size_t batches) {
    const auto cache = open();
    for (std::size_t i = 0; i < batches; ++i) cache->hidden(run_.train_batches.make(first_[i]));
  }

  // Rows that a cache opened now has to compute; each of its states is checked.
  std::int64_t rows_computed() {
    const auto cache = open();
    for (const auto& plan : first_) {
      const tensor::Batch batch = run_.train_batches.make(plan);
      EXPECT_EQ(difference(cache->hidden(batch), plain(batch), batch), 0.0);
    }
    EXPECT_TRUE(cache->complete());
    return cache->use().rows_computed;
  }

  void flip_byte_at(std::int64_t place) const {
    std::fstream file(folder_ / "kept", std::ios::in | std::ios::out | std::ios::binary);
    file.seekg(place);
    const int byte = file.get();
    file.seekp(place);
    file.put(static_cast<char>(byte ^ 1));
  }

  std::int64_t rows_ = run_.train_batches.rows();
};

TEST_F(KeptCacheTest, IsUsedAgain) {
  fill(first_.size());
  EXPECT_TRUE(open()->complete());
  EXPECT_EQ(rows_computed(), 0);
}

TEST_F(KeptCacheTest, IsContinuedWhereItStopped) {
  fill(2);
  const auto there = static_cast<std::int64_t>(first_[0].rows.size() + first_[1].rows.size());
  EXPECT_FALSE(open()->complete());
  EXPECT_EQ(rows_computed(), rows_ - there);
  EXPECT_EQ(rows_computed(), 0);
}

TEST_F(KeptCacheTest, ComputesDamagedRowsAnew) {
  fill(first_.size());
  const auto size = static_cast<std::int64_t>(std::filesystem::file_size(folder_ / "kept"));
  flip_byte_at(size - 1);  // in the state of the last row
  const std::int64_t batch_of_it = rows_computed();
  EXPECT_GE(batch_of_it, 1);
  EXPECT_LT(batch_of_it, rows_);
  const auto states =
      static_cast<std::int64_t>(PrefixCache::bytes(run_.train_batches, 16, setup_.type));
  flip_byte_at(size - states - 64);  // a checksum
  EXPECT_LT(rows_computed(), rows_);
  EXPECT_EQ(rows_computed(), 0);
}

TEST_F(KeptCacheTest, IsNotUsedWhereAnythingElseIsDifferent) {
  const auto anew_after = [this](const std::function<void()>& change) {
    fill(first_.size());
    change();
    return rows_computed() == rows_;
  };
  const std::filesystem::path file = folder_ / "kept";
  EXPECT_TRUE(anew_after([&] { setup_.key["model"] = "other"; }));
  EXPECT_TRUE(anew_after([&] { first_ = run_.train_batches.epoch(6, 0); }));
  EXPECT_TRUE(anew_after(
      [&] { std::filesystem::resize_file(file, std::filesystem::file_size(file) - 1); }));
  EXPECT_TRUE(anew_after(
      [&] { std::filesystem::resize_file(file, std::filesystem::file_size(file) + 1); }));
  EXPECT_TRUE(anew_after([&] { std::filesystem::resize_file(file, 0); }));
  EXPECT_TRUE(anew_after([&] { flip_byte_at(3); }));
  EXPECT_FALSE(anew_after([] {}));
  setup_.cut = 1;
  EXPECT_FALSE(open()->holds(run_.train_batches.make(first_[0])));
}

// One row of these documents' tokens.
data::Dataset dataset_of(const std::vector<std::vector<std::int64_t>>& documents) {
  data::Dataset dataset;
  for (const auto& ids : documents) {
    data::Document document;
    document.ids = ids;
    document.labels.assign(ids.size(), tensor::kNoLabel);
    dataset.documents.push_back(document);
    dataset.splits.push_back(data::Split::kTrain);
  }
  return dataset;
}

TEST_F(KeptCacheTest, IsNotUsedWhereTheSameTokensAreOtherDocuments) {
  const auto complete_on = [this](const data::Dataset& dataset) {
    const data::Batcher rows(dataset, dataset.indices(data::Split::kAll), {4, 4}, 0);
    const auto plans = rows.in_order();
    PrefixCache cache(run_.graph, rows, plans, setup_);
    const bool complete = cache.complete();
    cache.hidden(rows.make(plans.at(0)));
    return complete;
  };
  const data::Dataset one = dataset_of({{1, 2, 3, 4}}), two = dataset_of({{1, 2}, {3, 4}});
  EXPECT_FALSE(complete_on(one));
  EXPECT_TRUE(complete_on(one));
  EXPECT_FALSE(complete_on(two));
  EXPECT_TRUE(complete_on(two));
}

// A run of three epochs.
struct ThreeEpochs {
  ThreeEpochs() {
    run.plan.cut = kCachedCut;
    run.plan.shape = support::sample_shape(kTestBlocks);
    run.plan.epochs = 3.0;
    run.plan.steps = 3 * static_cast<std::int64_t>(run.train_batches.epoch(1, 0).size());
    run.plan.budget = {static_cast<double>(run.plan.steps), types::BudgetUnit::kSteps};
  }

  types::RunRecord train_in(
      const std::filesystem::path& folder, const TrainOptions& options) const {
    TrainInputs inputs = run.inputs(folder);
    inputs.run.how.options = options;
    core::Progress progress;
    return train(inputs, progress);
  }

  TinyRun run{false, 1};
};

std::vector<double> losses(const std::filesystem::path& folder) {
  std::vector<double> result;
  for (const auto& line : read_lines(folder / "metrics.jsonl")) {
    const core::Json step = core::parse_json(line, "metrics.jsonl");
    result.push_back(
        step.contains("loss") ? step["loss"].get<double>() : step["dev_loss"].get<double>());
  }
  return result;
}

TEST(TrainWithPrefixCache, LearnsAsWithoutIt) {
  const TemporaryFolder with, without;
  TrainOptions options;
  ThreeEpochs().train_in(with.path(), options);
  options.no_cache = true;
  ThreeEpochs().train_in(without.path(), options);
  const std::vector<double> cached = losses(with.path()), plain = losses(without.path());
  ASSERT_EQ(cached.size(), plain.size());
  for (std::size_t i = 0; i < cached.size(); ++i) EXPECT_NEAR(cached[i], plain[i], 1e-5) << i;
  for (std::size_t i = 0; i < cached.size() / 4; ++i) EXPECT_EQ(cached[i], plain[i]) << i;
}

TEST(TrainWithPrefixCache, TellsWhatItSaved) {
  const TemporaryFolder folder;
  const ThreeEpochs setup;
  const types::RunRecord record = setup.train_in(folder.path(), {});
  const std::int64_t rows = setup.run.train_batches.rows() + setup.run.dev_batches.rows();
  double prefix = 0.0;
  for (const auto& plan : setup.run.train_batches.epoch(1, 0)) {
    const tensor::Batch batch = setup.run.train_batches.make(plan);
    for (std::int64_t block = 0; block < kCachedCut; ++block) {
      prefix += cost::block_forward_flops(setup.run.plan.shape, block,
          {static_cast<double>(batch.padded_tokens()), 0.0, static_cast<double>(batch.length())});
    }
  }
  ASSERT_TRUE(record.cache);
  EXPECT_TRUE(record.cache->complete);
  EXPECT_EQ(record.cache->rows, rows);
  EXPECT_EQ(record.cache->rows_computed, rows);
  EXPECT_EQ(record.cache->rows_read, 2 * rows);
  EXPECT_DOUBLE_EQ(record.cache->flops_avoided, 2.0 * prefix);
  EXPECT_EQ(record.activation_bytes_below_cut, 0);
  EXPECT_GT(record.frozen_bytes_mapped, 0);
  TrainOptions options;
  options.no_cache = true;
  EXPECT_FALSE(ThreeEpochs().train_in(folder.path(), options).cache);
}

TEST(TrainWithPrefixCache, LeavesTheCacheBehindOnlyWhenAsked) {
  const TemporaryFolder once, kept;
  TrainOptions options;
  ThreeEpochs().train_in(once.path(), options);
  EXPECT_FALSE(std::filesystem::exists(once / "train.prefix-cache"));
  options.keep_cache = true;
  ThreeEpochs().train_in(kept.path(), options);
  EXPECT_EQ(losses(kept.path()), losses(once.path()));
  const ThreeEpochs again;
  const types::RunRecord record = again.train_in(kept.path(), options);
  EXPECT_EQ(losses(kept.path()), losses(once.path()));
  EXPECT_EQ(record.cache->rows_computed, 0);
}

TEST(TrainWithPrefixCache, KeepsALittleLossInBFloat16) {
  const TemporaryFolder full, half;
  TrainOptions options;
  ThreeEpochs().train_in(full.path(), options);
  options.cache_dtype = types::CacheType::kBFloat16;
  ThreeEpochs().train_in(half.path(), options);
  EXPECT_NEAR(losses(full.path()).back(), losses(half.path()).back(), 0.02);
}

}  // namespace
}  // namespace salf::train
