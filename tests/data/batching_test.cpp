#include "data/batching/batching.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "core/error.h"

namespace salf::data {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr std::int64_t kPadding = 999;
constexpr std::int64_t kNone = tensor::kNoLabel;

// Document d has ids 100·d, 100·d+1, …; loss from the second token on.
Dataset dataset_of(const std::vector<std::int64_t>& lengths) {
  Dataset dataset;
  for (std::size_t d = 0; d < lengths.size(); ++d) {
    Document document;
    document.line = static_cast<std::int64_t>(d) + 1;
    for (std::int64_t t = 0; t < lengths[d]; ++t) {
      document.ids.push_back(static_cast<std::int64_t>(d) * 100 + t);
    }
    document.labels.assign(document.ids.begin() + 1, document.ids.end());
    document.labels.push_back(kNone);
    dataset.documents.push_back(document);
    dataset.splits.push_back(Split::kTrain);
  }
  return dataset;
}

Batcher batcher_of(const Dataset& dataset, BatchOptions options) {
  return Batcher(dataset, dataset.indices(Split::kAll), options, kPadding);
}

std::vector<std::int64_t> values(const at::Tensor& matrix, std::int64_t row) {
  const auto* data = matrix.const_data_ptr<std::int64_t>() + row * matrix.size(1);
  return {data, data + matrix.size(1)};
}

std::string message_of(const Dataset& dataset, BatchOptions options) {
  try {
    batcher_of(dataset, options);
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::kBadInput);
    return error.what();
  }
  return "";
}

TEST(Batcher, PadsOnTheRightAndMasksThePadding) {
  const Dataset dataset = dataset_of({2, 4});
  const Batcher batcher = batcher_of(dataset, {8, 0});
  const auto plans = batcher.in_order();
  ASSERT_EQ(plans.size(), 1U);
  const tensor::Batch batch = batcher.make(plans[0]);
  EXPECT_THAT(values(batch.ids, 0), ElementsAre(0, 1, kPadding, kPadding));
  EXPECT_THAT(values(batch.ids, 1), ElementsAre(100, 101, 102, 103));
  EXPECT_THAT(values(batch.labels, 0), ElementsAre(1, kNone, kNone, kNone));
  EXPECT_THAT(values(batch.labels, 1), ElementsAre(101, 102, 103, kNone));
  EXPECT_THAT(values(batch.mask, 0), ElementsAre(1, 1, 0, 0));
  EXPECT_THAT(values(batch.mask, 1), ElementsAre(1, 1, 1, 1));
  EXPECT_THAT(values(batch.documents, 0), ElementsAre(0, 0, -1, -1));
  EXPECT_THAT(values(batch.documents, 1), ElementsAre(1, 1, 1, 1));
  EXPECT_EQ(batch.real_tokens, 6);
  EXPECT_EQ(batch.supervised_tokens, 4);
  EXPECT_EQ(batch.padded_tokens(), 8);
}

TEST(Batcher, HasNoMaskWhereNothingIsPadded) {
  const Dataset dataset = dataset_of({3, 3});
  const Batcher batcher = batcher_of(dataset, {6, 0});
  EXPECT_FALSE(batcher.make(batcher.in_order().at(0)).mask.defined());
}

TEST(Batcher, FillsBatchesUpToTheTokenLimitInOrderOfLength) {
  const Dataset dataset = dataset_of({5, 2, 3, 2, 9});
  const Batcher batcher = batcher_of(dataset, {10, 0});
  const auto plans = batcher.in_order();
  ASSERT_EQ(plans.size(), 3U);
  EXPECT_THAT(plans[0].rows, ElementsAre(1, 3, 2));  // 3 rows of 3; equal lengths keep their order
  EXPECT_THAT(plans[1].rows, ElementsAre(0));        // with the row of 9 it would be 18 tokens
  EXPECT_THAT(plans[2].rows, ElementsAre(4));
  EXPECT_EQ(plans[0].length, 3);
  EXPECT_EQ(plans[2].length, 9);
  EXPECT_EQ(batcher.longest_row(), 9);
  EXPECT_EQ(batcher.real_tokens(), 21);
  EXPECT_EQ(batcher.supervised_tokens(), 16);
}

TEST(Batcher, AFullBatchIsExactlyBatchTokens) {
  const Dataset dataset = dataset_of({4, 4, 4});
  EXPECT_EQ(batcher_of(dataset, {12, 0}).in_order().size(), 1U);
  EXPECT_EQ(batcher_of(dataset, {11, 0}).in_order().size(), 2U);
}

std::vector<std::int64_t> mixed_lengths() {
  std::vector<std::int64_t> lengths;
  for (std::int64_t i = 0; i < 200; ++i) lengths.push_back(1 + (i * 37) % 23);
  return lengths;
}

TEST(Batcher, EveryRowOccursOnceAnEpochWithinTheLimit) {
  const Dataset dataset = dataset_of(mixed_lengths());
  const Batcher batcher = batcher_of(dataset, {64, 0});
  for (const std::int64_t epoch : {0, 1, 2}) {
    std::vector<std::int64_t> seen;
    for (const BatchPlan& plan : batcher.epoch(7, epoch)) {
      EXPECT_LE(static_cast<std::int64_t>(plan.rows.size()) * plan.length, 64);
      seen.insert(seen.end(), plan.rows.begin(), plan.rows.end());
    }
    std::sort(seen.begin(), seen.end());
    EXPECT_EQ(seen, dataset.indices(Split::kAll));
  }
}

TEST(Batcher, SeedAndEpochDecideTheOrder) {
  const Dataset dataset = dataset_of(mixed_lengths());
  const Batcher batcher = batcher_of(dataset, {64, 0});
  const auto rows_of = [&](std::uint64_t seed, std::int64_t epoch) {
    std::vector<std::vector<std::int64_t>> rows;
    for (const BatchPlan& plan : batcher.epoch(seed, epoch)) rows.push_back(plan.rows);
    return rows;
  };
  EXPECT_EQ(rows_of(7, 1), rows_of(7, 1));
  EXPECT_NE(rows_of(7, 1), rows_of(7, 2));
  EXPECT_NE(rows_of(7, 1), rows_of(8, 1));
  const std::vector<std::vector<std::int64_t>> first = rows_of(7, 1);
  const auto shorter_first = [&](const auto& a, const auto& b) {
    return dataset.documents[static_cast<std::size_t>(a[0])].ids.size() <
           dataset.documents[static_cast<std::size_t>(b[0])].ids.size();
  };
  EXPECT_FALSE(std::is_sorted(first.begin(), first.end(), shorter_first));
}

TEST(Batcher, EveryEpochHasTheSameBatchShapes) {
  const Dataset dataset = dataset_of(mixed_lengths());
  const Batcher batcher = batcher_of(dataset, {64, 0});
  const auto shapes_of = [](const std::vector<BatchPlan>& plans) {
    std::multiset<std::vector<std::int64_t>> shapes;
    for (const BatchPlan& plan : plans) {
      shapes.insert({static_cast<std::int64_t>(plan.rows.size()), plan.length});
    }
    return shapes;
  };
  EXPECT_EQ(shapes_of(batcher.epoch(7, 0)), shapes_of(batcher.in_order()));
  EXPECT_EQ(shapes_of(batcher.epoch(8, 5)), shapes_of(batcher.in_order()));
}

std::vector<std::int64_t> segments_of(const tensor::Batch& batch) {
  const auto* begin = batch.segments.const_data_ptr<std::int64_t>();
  return {begin, begin + batch.segments.numel()};
}

TEST(Batcher, PacksWholeDocumentsIntoTheFullestBlockWithRoom) {
  const Dataset dataset = dataset_of({3, 2, 5, 1, 6});
  const Batcher batcher = batcher_of(dataset, {16, 8});
  EXPECT_EQ(batcher.rows(), 3);  // 6 + 2, 5 + 3 and 1
  const auto plans = batcher.in_order();
  ASSERT_EQ(plans.size(), 2U);
  EXPECT_THAT(plans[0].rows, ElementsAre(2, 0));
  const tensor::Batch batch = batcher.make(plans[0]);
  EXPECT_THAT(values(batch.ids, 0), ElementsAre(300, 999, 999, 999, 999, 999, 999, 999));
  EXPECT_THAT(values(batch.mask, 0), ElementsAre(1, 0, 0, 0, 0, 0, 0, 0));
  EXPECT_THAT(values(batch.ids, 1), ElementsAre(400, 401, 402, 403, 404, 405, 100, 101));
  EXPECT_THAT(values(batch.labels, 1), ElementsAre(401, 402, 403, 404, 405, kNone, 101, kNone));
  EXPECT_THAT(values(batch.documents, 1), ElementsAre(4, 4, 4, 4, 4, 4, 1, 1));
  EXPECT_THAT(segments_of(batch), ElementsAre(0, 8, 14, 16));
  EXPECT_EQ(batcher.attention_pairs(plans[0]), 8 * 8 + 6 * 6 + 2 * 2);
  EXPECT_THAT(segments_of(batcher.make(plans[1])), ElementsAre(0, 5, 8));
}

TEST(Batcher, DividesDocumentsThatAreLongerThanABlock) {
  const Dataset dataset = dataset_of({9, 2});
  const Batcher batcher = batcher_of(dataset, {4, 4});
  EXPECT_EQ(batcher.rows(), 3);
  const auto plans = batcher.in_order();
  ASSERT_EQ(plans.size(), 3U);
  const tensor::Batch rest = batcher.make(plans[0]);
  EXPECT_THAT(values(rest.ids, 0), ElementsAre(100, 101, 8));
  EXPECT_THAT(segments_of(rest), ElementsAre(0, 2, 3));
  const tensor::Batch first = batcher.make(plans[1]);
  EXPECT_THAT(values(first.ids, 0), ElementsAre(0, 1, 2, 3));
  // The last position of a piece still predicts the token that follows in its document.
  EXPECT_THAT(values(first.labels, 0), ElementsAre(1, 2, 3, 4));
  EXPECT_FALSE(first.segments.defined());  // one piece sees all of its row
}

TEST(Batcher, RowsOfOneDocumentHaveNoSegments) {
  const Dataset dataset = dataset_of({2, 4});
  const Batcher batcher = batcher_of(dataset, {8, 0});
  const auto plan = batcher.in_order().at(0);
  EXPECT_FALSE(batcher.make(plan).segments.defined());
  EXPECT_EQ(batcher.attention_pairs(plan), 2 * 4 * 4);
}

TEST(Batcher, PackingKeepsEveryTokenAndLabel) {
  const Dataset dataset = dataset_of(mixed_lengths());
  const Batcher plain = batcher_of(dataset, {64, 0});
  for (const std::int64_t pack : {1, 7, 16, 64}) {
    const Batcher packed = batcher_of(dataset, {64, pack});
    std::int64_t tokens = 0, supervised = 0;
    for (const BatchPlan& plan : packed.epoch(1, 0)) {
      const tensor::Batch batch = packed.make(plan);
      tokens += batch.real_tokens;
      supervised += batch.supervised_tokens;
    }
    EXPECT_EQ(tokens, plain.real_tokens());
    EXPECT_EQ(supervised, plain.supervised_tokens());
    EXPECT_EQ(packed.real_tokens(), plain.real_tokens());
  }
}

TEST(Batcher, PacksInTheOrderGiven) {
  const Dataset dataset = dataset_of({2, 2, 2});
  const Batcher batcher(dataset, {2, 0}, {4, 4}, kPadding);
  const tensor::Batch batch = batcher.make(batcher.in_order().at(0));
  EXPECT_THAT(values(batch.ids, 0), ElementsAre(200, 201, 0, 1));
  EXPECT_THAT(values(batch.documents, 0), ElementsAre(2, 2, 0, 0));
}

TEST(Batcher, OneBlockMayHoldEverything) {
  const Dataset dataset = dataset_of({3, 2});
  const Batcher batcher = batcher_of(dataset, {64, 64});
  EXPECT_EQ(batcher.rows(), 1);
  EXPECT_EQ(batcher.longest_row(), 5);
  const tensor::Batch batch = batcher.make(batcher.in_order().at(0));
  EXPECT_EQ(batch.length(), 5);
  EXPECT_FALSE(batch.mask.defined());
}

TEST(Batcher, NoDocumentsAreNoBatches) {
  const Dataset dataset = dataset_of({3});
  for (const std::int64_t pack : {0, 4}) {
    const Batcher batcher(dataset, {}, {8, pack}, kPadding);
    EXPECT_EQ(batcher.rows(), 0);
    EXPECT_EQ(batcher.longest_row(), 0);
    EXPECT_TRUE(batcher.epoch(1, 0).empty());
    EXPECT_TRUE(batcher.in_order().empty());
  }
}

TEST(Batcher, NamesTheFiguresOfARowThatDoesNotFit) {
  const std::string document = message_of(dataset_of({3, 40, 5}), {32, 0});
  EXPECT_THAT(document, HasSubstr("row 2 of the data"));
  EXPECT_THAT(document, HasSubstr("40 tokens"));
  EXPECT_THAT(document, HasSubstr("--batch-tokens 32"));
  EXPECT_THAT(document, HasSubstr("--max-length"));
  const std::string block = message_of(dataset_of({3}), {32, 33});
  EXPECT_THAT(block, HasSubstr("--pack 33"));
  EXPECT_THAT(block, HasSubstr("--batch-tokens 32"));
}

TEST(BatcherDeal, GivesEachShardBatchesOfTheSameShapes) {
  std::vector<std::int64_t> lengths;
  for (std::int64_t i = 0; i < 41; ++i) lengths.push_back(3 + (i * 7) % 20);
  const Dataset dataset = dataset_of(lengths);
  Batcher batcher = batcher_of(dataset, {64, 0});
  batcher.deal(3);
  std::map<std::int64_t, std::size_t> shard_of;
  for (std::int64_t epoch = 0; epoch < 3; ++epoch) {
    const std::vector<BatchPlan> plans = batcher.epoch(1, epoch);
    ASSERT_EQ(plans.size() % 3, 0U);
    std::int64_t rows = 0;
    for (std::size_t i = 0; i < plans.size(); ++i) {
      for (const std::int64_t row : plans[i].rows) {
        EXPECT_EQ(shard_of.emplace(row, i % 3).first->second, i % 3) << "rows stay in their shard";
        ++rows;
      }
      EXPECT_LE(static_cast<std::int64_t>(plans[i].rows.size()) * plans[i].length, 64);
      const std::size_t first = plans[i / 3 * 3].rows.size();
      EXPECT_LE(std::max(first, plans[i].rows.size()) - std::min(first, plans[i].rows.size()), 1U);
    }
    EXPECT_EQ(rows, 41);
  }
}

TEST(BatcherDeal, CountsAPlansTokens) {
  const Dataset dataset = dataset_of({2, 4, 9});
  const Batcher batcher = batcher_of(dataset, {64, 0});
  const tensor::Batch batch = batcher.make({{0, 2}, 9});
  EXPECT_EQ(batcher.real_tokens({{0, 2}, 9}), batch.real_tokens);
  EXPECT_EQ(batcher.supervised_tokens({{0, 2}, 9}), batch.supervised_tokens);
}

TEST(BatcherDeal, RefusesMoreShardsThanRows) {
  const Dataset dataset = dataset_of({2, 4});
  Batcher batcher = batcher_of(dataset, {64, 0});
  EXPECT_THROW(batcher.deal(3), Error);
}

}  // namespace
}  // namespace salf::data
