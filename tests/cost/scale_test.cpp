#include "cost/scale.h"

#include <gmock/gmock.h>

#include "core/error.h"
#include "cost/estimate.h"
#include "support/sample_documents.h"

namespace salf::cost {
namespace {

using ::testing::HasSubstr;

TEST(Scale, ReadsLinksInTheUnitsOfNetworks) {
  EXPECT_DOUBLE_EQ(parse_link("25Gb/s"), 25e9 / 8);
  EXPECT_DOUBLE_EQ(parse_link("400 Mbit/s"), 50e6);
  EXPECT_DOUBLE_EQ(parse_link("1.6Tbps"), 200e9);
  EXPECT_DOUBLE_EQ(parse_link("3GB/s"), 3e9);
  EXPECT_DOUBLE_EQ(parse_link("800b/s"), 100.0);
  for (const char* text :
      {"", "25", "Gb/s", "25G", "-1Gb/s", "0Gb/s", "1gb/s", "nanGb/s", "1Gb/sx"})
    EXPECT_THROW(parse_link(text), Error) << text;
}

TEST(Scale, SaysWhichOptionsContradictOneAnother) {
  EXPECT_TRUE((ScaleOptions{}.problems().empty()));
  EXPECT_TRUE((ScaleOptions{8, "1Gb/s", types::ShardOptimizer::kOn}.problems().empty()));
  EXPECT_EQ((ScaleOptions{8, "", types::ShardOptimizer::kAuto}.problems().size()), 1U);
  EXPECT_EQ((ScaleOptions{1, "1Gb/s", types::ShardOptimizer::kOff}.problems().size()), 2U);
  EXPECT_THAT((ScaleOptions{8, "fast", types::ShardOptimizer::kAuto}.problems().front()),
      HasSubstr("fast"));
}

TEST(Scale, ARankSendsItsPartsAndItsResults) {
  EXPECT_DOUBLE_EQ(gradient_bytes(support::sample_shape(), 12), 4.0 * (18.0 * 3540096 + 576));
  const RankStep step{10.0, 4.0, 1.0, 800.0, 800.0, false};
  EXPECT_DOUBLE_EQ(sent_bytes(step, 1), 0.0);
  EXPECT_DOUBLE_EQ(sent_bytes(step, 2), 800.0);
  EXPECT_DOUBLE_EQ(sent_bytes(step, 8), 1400.0);
}

TEST(Scale, WhatTheBackwardPassDoesNotHideIsWaitedFor) {
  const RankStep step{10.0, 4.0, 1.0, 800.0, 800.0, false};
  const RankTimes alone = shared_step(step, 1, 100.0);
  EXPECT_DOUBLE_EQ(alone.seconds, 10.0);
  EXPECT_DOUBLE_EQ(alone.exchange, 0.0);
  const RankTimes hidden = shared_step(step, 2, 400.0);
  EXPECT_DOUBLE_EQ(hidden.exchange, 2.0);
  EXPECT_DOUBLE_EQ(hidden.waited, 0.0);
  EXPECT_DOUBLE_EQ(hidden.seconds, 10.0);
  const RankTimes slow = shared_step(step, 8, 100.0);
  EXPECT_DOUBLE_EQ(slow.exchange, 14.0);
  EXPECT_DOUBLE_EQ(slow.waited, 10.0);
  EXPECT_DOUBLE_EQ(slow.seconds, 20.0);
}

TEST(Scale, WeightsFollowTheUpdateOfAShardedOptimizer) {
  const RankStep step{10.0, 4.0, 1.0, 800.0, 400.0, true};
  const RankTimes times = shared_step(step, 2, 400.0);
  EXPECT_DOUBLE_EQ(times.exchange, 1.5);
  EXPECT_DOUBLE_EQ(times.waited, 0.5);
  EXPECT_DOUBLE_EQ(times.seconds, 10.0 + 0.5 - 0.5);
}

TEST(Scale, TheLastBatchHidesAndAllBatchesCount) {
  types::MeasuredCost cost = support::sample_cost();
  const types::ModelShape shape = support::sample_shape();
  const types::DataShape data = support::sample_data();
  const RankStep one = rank_step(cost, shape, data, 12, 1, false);
  const RankStep four = rank_step(cost, shape, data, 12, 4, false);
  EXPECT_DOUBLE_EQ(one.seconds, step_seconds(cost, shape, data, 12, 1).total());
  EXPECT_DOUBLE_EQ(one.backward, 1000.0 * 18 * 1.5e-4);
  EXPECT_DOUBLE_EQ(four.backward, one.backward);
  EXPECT_DOUBLE_EQ(four.seconds - four.optimizer, 4.0 * (one.seconds - one.optimizer));
  EXPECT_DOUBLE_EQ(one.result_bytes, one.gradient_bytes);
  cost.copy_bytes = 2.0;
  EXPECT_DOUBLE_EQ(rank_step(cost, shape, data, 12, 1, false).result_bytes, one.gradient_bytes);
  EXPECT_DOUBLE_EQ(rank_step(cost, shape, data, 12, 1, true).result_bytes, one.gradient_bytes / 2);
}

TEST(Scale, AForecastComparesRanksWithOne) {
  types::FreezePlan plan;
  plan.shape = support::sample_shape();
  plan.data = support::sample_data();
  plan.cost = support::sample_cost();
  plan.cost.base_bytes = 1e6;
  plan.cut = 12;
  plan.accumulate = 2;
  plan.cost.timed_batches = 0;
  const ScaleOptions options{4, "400Mb/s", types::ShardOptimizer::kAuto};
  EXPECT_FALSE(forecast(plan, options).has_value()) << "no step was timed";
  plan.cost.timed_batches = 3;
  const types::Scale scale = *forecast(plan, options);
  EXPECT_TRUE(scale.sharded) << "whole blocks are trained";
  ASSERT_EQ(scale.rows.size(), 2U);
  const types::RankForecast &one = scale.rows[0], &four = scale.rows[1];
  EXPECT_DOUBLE_EQ(one.efficiency, 1.0);
  EXPECT_DOUBLE_EQ(one.sent_bytes, 0.0);
  EXPECT_DOUBLE_EQ(four.sent_bytes, 1.5 * scale.gradient_bytes);
  EXPECT_DOUBLE_EQ(four.exchange_seconds, four.sent_bytes / 50e6);
  EXPECT_DOUBLE_EQ(four.efficiency, one.step_seconds / four.step_seconds);
  EXPECT_NEAR(four.tokens_per_second, 4.0 * four.efficiency * one.tokens_per_second, 1e-6);
  EXPECT_DOUBLE_EQ(*four.memory_bytes,
      peak_bytes(plan.cost, plan.shape, 12, {plan.batch_tokens, false, false, 4, true, true}));
}

// Published shapes: their gradients in half precision at no cut, half, three quarters.
types::ModelShape family(std::int64_t blocks, std::int64_t hidden, std::int64_t inner,
    std::int64_t groups, std::int64_t vocabulary, bool tied) {
  types::ModelShape shape;
  shape.blocks = blocks;
  shape.hidden = hidden;
  shape.vocabulary = vocabulary;
  shape.tied = tied;
  shape.final_parameters = hidden;
  const std::int64_t block =
      2 * hidden * hidden + 2 * hidden * groups * 128 + 3 * hidden * inner + 2 * hidden;
  shape.block_parameters.assign(static_cast<std::size_t>(blocks), block);
  shape.embedding_parameters = shape.head_parameters = vocabulary * hidden;
  shape.parameters = blocks * block + hidden + (tied ? 1 : 2) * vocabulary * hidden;
  return shape;
}

TEST(Scale, GradientsOfLargeModels) {
  const types::ModelShape eight = family(32, 4096, 14336, 8, 128256, false);
  const types::ModelShape seventy = family(80, 8192, 28672, 8, 128256, false);
  EXPECT_EQ(eight.parameters, 8030261248);
  EXPECT_EQ(seventy.parameters, 70553706496);
  EXPECT_NEAR(gradient_bytes(eight, 0), 32.1e9, 0.1e9);
  EXPECT_NEAR(gradient_bytes(eight, 16), 14.0e9, 0.1e9);
  EXPECT_NEAR(gradient_bytes(eight, 24), 6.98e9, 0.01e9);
  EXPECT_NEAR(gradient_bytes(seventy, 0), 282.2e9, 0.1e9);
  EXPECT_NEAR(gradient_bytes(seventy, 40), 136.9e9, 0.1e9);
  EXPECT_NEAR(gradient_bytes(seventy, 60), 68.5e9, 0.1e9);
}

}  // namespace
}  // namespace salf::cost
