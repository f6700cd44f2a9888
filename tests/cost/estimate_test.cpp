#include "cost/estimate.h"

#include "support/sample_documents.h"

namespace salf::cost {
namespace {

TEST(Estimate, SplitsAnEpochIntoMeanBatches) {
  const types::DataShape data = support::sample_data();
  const BatchShape batch = mean_batch(data);
  EXPECT_DOUBLE_EQ(batch.padded_tokens, 1000.0);
  EXPECT_DOUBLE_EQ(batch.supervised_tokens, 600.0);
  EXPECT_DOUBLE_EQ(batch.row_length, 90.0);
  EXPECT_DOUBLE_EQ(dev_batch(data).padded_tokens, 1500.0);
}

TEST(Estimate, AStepIsTheSumOfItsMeasuredPieces) {
  const types::ModelShape shape = support::sample_shape();
  const types::CostBreakdown step =
      step_seconds(support::sample_cost(), shape, support::sample_data(), 12, 4);
  EXPECT_DOUBLE_EQ(step.prefix, 4 * 1000.0 * 12 * 7e-5);
  EXPECT_DOUBLE_EQ(step.suffix_forward, 4 * 1000.0 * 18 * 8e-5);
  EXPECT_DOUBLE_EQ(step.backward, 4 * 1000.0 * 18 * 1.5e-4);
  EXPECT_DOUBLE_EQ(step.head, 4 * 600.0 * 1.1e-3);
  EXPECT_DOUBLE_EQ(step.optimizer, 1e-9 * (18.0 * 3540096 + 576));
  EXPECT_DOUBLE_EQ(step.fixed, 4 * 1e-3);
  EXPECT_DOUBLE_EQ(step.evaluation, 0.0);
}

TEST(Estimate, FullTuningPaysForEmbeddingAndHeadBesidesOneBlock) {
  const types::MeasuredCost cost = support::sample_cost();
  const types::ModelShape shape = support::sample_shape();
  const types::DataShape data = support::sample_data();
  const double difference =
      step_seconds(cost, shape, data, 0, 1).total() - step_seconds(cost, shape, data, 1, 1).total();
  const double block = 1000.0 * (8e-5 + 1.5e-4 - 7e-5);
  const double head = 600.0 * (1.7e-3 - 1.1e-3);
  const double optimizer = 1e-9 * (3540096.0 + 576.0 * 49152.0);
  EXPECT_NEAR(difference, block + head + 0.02 + optimizer, 1e-9);
}

TEST(Estimate, EvaluationAndSaving) {
  const types::MeasuredCost cost = support::sample_cost();
  const types::ModelShape shape = support::sample_shape();
  EXPECT_DOUBLE_EQ(evaluation_seconds(cost, 30, dev_batch(support::sample_data())),
      30 * 1500.0 * 7e-5 + 900.0 * 6e-4);
  EXPECT_DOUBLE_EQ(save_seconds(cost, shape), 0.134515008);
}

TEST(Estimate, ADeeperCutNeverCostsMore) {
  const types::ModelShape shape = support::sample_shape();
  for (std::int64_t cut = 1; cut < shape.blocks; ++cut) {
    EXPECT_LT(step_seconds(support::sample_cost(), shape, support::sample_data(), cut, 1).total(),
        step_seconds(support::sample_cost(), shape, support::sample_data(), cut - 1, 1).total());
  }
}

TEST(Estimate, AnySetOfBlocksCostsItsPathAndItsWeights) {
  const types::ModelShape shape = support::sample_shape();
  const types::DataShape data = support::sample_data();
  const types::MeasuredCost cost = support::sample_cost();
  std::vector<std::int64_t> last;
  for (std::int64_t block = 20; block < 30; ++block) last.push_back(block);
  const types::CostBreakdown cut = step_seconds(cost, shape, data, 20, 2),
                             same = masked_step_seconds(cost, shape, data, last, 2);
  EXPECT_NEAR(same.total(), cut.total(), 1e-9);  // the blocks above a cut are such a set
  const types::CostBreakdown first = masked_step_seconds(cost, shape, data, {0, 1, 2}, 1);
  EXPECT_DOUBLE_EQ(first.prefix, 0.0);
  EXPECT_DOUBLE_EQ(first.suffix_forward, 30 * 1000.0 * 8e-5);
  EXPECT_DOUBLE_EQ(first.backward, 0.5 * (30 + 3) * 1000.0 * 1.5e-4);
  EXPECT_DOUBLE_EQ(first.head, 600.0 * 1.1e-3);
  EXPECT_DOUBLE_EQ(first.optimizer, 1e-9 * (3 * 3540096.0 + 576));
}

TEST(Estimate, LaterEpochsAreCheaper) {
  EXPECT_EQ(steps_within(100.0, 2.0, 1.0, 1000.0), 50);
  EXPECT_EQ(steps_within(100.0, 2.0, 1.0, 20.0), 80);
  EXPECT_EQ(steps_within(1.0, 2.0, 1.0, 20.0), 0);
  EXPECT_EQ(steps_within(100.0, 0.0, 1.0, 20.0), 0);
}

TEST(Estimate, RanksShareTokensButNoOptimizer) {
  types::MeasuredCost cost;
  cost.block_forward = 4.0;
  cost.head_trained = 2.0;
  cost.optimizer = 3.0;
  const types::MeasuredCost two = shared_by(2, cost);
  EXPECT_DOUBLE_EQ(two.block_forward, 2.0);
  EXPECT_DOUBLE_EQ(two.head_trained, 1.0);
  EXPECT_DOUBLE_EQ(two.optimizer, 3.0);
}

TEST(Estimate, ScalesEveryPart) {
  const types::CostBreakdown one{1, 2, 3, 4, 5, 6, 7, 8};
  const types::CostBreakdown many = scaled(one, 3.0);
  EXPECT_DOUBLE_EQ(many.prefix, 3.0);
  EXPECT_DOUBLE_EQ(many.fixed, 24.0);
  EXPECT_DOUBLE_EQ(many.total(), 3.0 * one.total());
}

}  // namespace
}  // namespace salf::cost
