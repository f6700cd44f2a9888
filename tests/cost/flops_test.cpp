#include "cost/flops.h"

#include "cost/estimate.h"
#include "support/sample_documents.h"

namespace salf::cost {
namespace {

// Two blocks of one 3x3 matrix and a norm, 5 words.
types::ModelShape tiny_shape() {
  types::ModelShape shape;
  shape.blocks = 2;
  shape.hidden = 3;
  shape.vocabulary = 5;
  shape.tied = true;
  shape.block_parameters = {12, 12};
  shape.block_matrix_parameters = {9, 9};
  shape.embedding_parameters = 15;
  shape.final_parameters = 3;
  shape.parameters = 42;
  return shape;
}

// Multiply-adds of one row of `length` tokens through a block, counted one by one.
double counted_forward(double weights, double hidden, int length) {
  double operations = 0.0;
  for (int query = 0; query < length; ++query) {
    operations += 2.0 * weights;
    for (int key = 0; key <= query; ++key) operations += 2.0 * hidden + 2.0 * hidden;  // Q.K, A.V
  }
  return operations;
}

TEST(Flops, ABlockIsCountedAsItsLoops) {
  for (const int length : {1, 2, 7, 100}) {
    const BatchShape rows{4.0 * length, 0.0, static_cast<double>(length)};
    EXPECT_DOUBLE_EQ(
        block_forward_flops(tiny_shape(), 0, rows), 4.0 * counted_forward(9, 3, length));
  }
}

// mean_length is weighted by tokens, so rows of different lengths are counted exactly too.
TEST(Flops, MixedRowsAreCountedByTheirTokenWeightedLength) {
  const BatchShape rows{2.0 + 6.0, 0.0, (2.0 * 2.0 + 6.0 * 6.0) / 8.0};
  EXPECT_DOUBLE_EQ(block_forward_flops(tiny_shape(), 1, rows),
      counted_forward(9, 3, 2) + counted_forward(9, 3, 6));
}

TEST(Flops, EachPartOfABatchFollowsItsFormula) {
  const BatchShape batch{10.0, 4.0, 5.0};
  const double block = 2.0 * counted_forward(9, 3, 5);
  const double head = 2.0 * 3.0 * 5.0 * 4.0;
  const types::CostBreakdown full = batch_flops(tiny_shape(), 0, batch);
  EXPECT_DOUBLE_EQ(full.prefix, 0.0);
  EXPECT_DOUBLE_EQ(full.suffix_forward, 2.0 * block);
  EXPECT_DOUBLE_EQ(full.backward, 4.0 * block);
  EXPECT_DOUBLE_EQ(full.head, 3.0 * head);
  const types::CostBreakdown cut = batch_flops(tiny_shape(), 1, batch);
  EXPECT_DOUBLE_EQ(cut.prefix, block);
  EXPECT_DOUBLE_EQ(cut.suffix_forward, block);
  EXPECT_DOUBLE_EQ(cut.backward, 2.0 * block);
  EXPECT_DOUBLE_EQ(cut.head, 2.0 * head);
  EXPECT_DOUBLE_EQ(evaluation_flops(tiny_shape(), batch), 2.0 * block + head);
}

// The rule of thumb: six FLOPs per weight and token (Kaplan et al. 2020), where attention is short
// and every token is supervised.
TEST(Flops, FullTrainingIsAboutSixPerWeightAndToken) {
  const types::ModelShape shape = support::sample_shape();
  const double flops = batch_flops(shape, 0, {1000.0, 1000.0, 10.0}).total();
  EXPECT_NEAR(flops / (6.0 * 1000.0 * static_cast<double>(shape.parameters)), 1.0, 0.01);
}

TEST(Flops, ADeeperCutNeverCostsMore) {
  const types::ModelShape shape = support::sample_shape();
  const BatchShape batch = mean_batch(support::sample_data());
  for (std::int64_t cut = 1; cut < shape.blocks; ++cut) {
    EXPECT_LT(batch_flops(shape, cut, batch).total(), batch_flops(shape, cut - 1, batch).total());
  }
}

}  // namespace
}  // namespace salf::cost
