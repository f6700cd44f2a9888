#include "cost/estimate.h"
#include "support/sample_documents.h"

namespace salf::cost {
namespace {

constexpr double kActivation = 34'000.0;

types::MeasuredCost measured() {
  types::MeasuredCost cost = support::sample_cost();
  cost.activation_bytes = kActivation;
  cost.base_bytes = 5.0e8;
  return cost;
}

// What is held where so many bytes live.
double with_gaps(double bytes, double tokens) { return 1.08 * bytes + 7.0 * tokens * kActivation; }

TEST(Memory, IsTheSumOfItsPartsAndTheHeapsGaps) {
  const types::ModelShape shape = support::sample_shape();
  const auto parameters = static_cast<double>(shape.parameters);
  const double rest = 18 * 1000 * kActivation + 5.0e8;
  EXPECT_DOUBLE_EQ(peak_bytes(measured(), shape, 0, {1000, false, false}),
      with_gaps(12.0 * parameters + 30 * 1000 * kActivation + 5.0e8, 1000));
  const auto trained = static_cast<double>(shape.trained_parameters(12));
  EXPECT_DOUBLE_EQ(peak_bytes(measured(), shape, 12, {1000, false, false}),
      with_gaps(4.0 * parameters + 8.0 * trained + rest, 1000));
  EXPECT_DOUBLE_EQ(peak_bytes(measured(), shape, 12, {1000, true, false}),
      with_gaps(12.0 * trained + 4.0 * 576 * 49152 + rest, 1000));
}

TEST(Memory, GradientsTakeThePlaceOfFewActivations) {
  const types::ModelShape shape = support::sample_shape();
  EXPECT_DOUBLE_EQ(peak_bytes(measured(), shape, 0, {10, false, false}),
      with_gaps(16.0 * static_cast<double>(shape.parameters) + 5.0e8, 10));
}

TEST(Memory, RecomputingKeepsOneBlock) {
  const types::ModelShape shape = support::sample_shape();
  const double saved = peak_bytes(measured(), shape, 0, {10'000, false, false}) -
                       peak_bytes(measured(), shape, 0, {10'000, false, true});
  EXPECT_DOUBLE_EQ(saved, 1.08 * (29 * 10'000 * kActivation - 30 * 10'000 * 576 * 4.0));
}

TEST(Memory, CopiesStandBesideTheTrainedWeightsAndInPlaceOfTheFrozen) {
  types::MeasuredCost cost = measured();
  cost.copy_bytes = 2.0;
  const types::ModelShape shape = support::sample_shape();
  const auto parameters = static_cast<double>(shape.parameters);
  const auto trained = static_cast<double>(shape.trained_parameters(12));
  const double rest = 2.0 * parameters + 18 * 1000 * kActivation + 5.0e8;
  for (const bool in_file : {false, true}) {
    EXPECT_DOUBLE_EQ(peak_bytes(cost, shape, 12, {1000, in_file, false}),
        with_gaps(12.0 * trained + rest, 1000));
  }
  EXPECT_GE(peak_bytes(cost, shape, 29, {10, true, false}), 6.0 * parameters);
}

TEST(Memory, FewBitsOnAGpuTakeThePlaceOfFrozenMatricesButForOneBlock) {
  types::MeasuredCost cost = measured();
  const types::ModelShape shape = support::sample_shape();
  const auto matrices = static_cast<double>(shape.block_matrix_parameters.front());
  MemoryOptions whole, bits;
  whole.batch_tokens = bits.batch_tokens = 10'000;
  bits.frozen_bytes = 0.625;
  const auto saved = [&] {
    return peak_bytes(cost, shape, 12, whole) - peak_bytes(cost, shape, 12, bits);
  };
  EXPECT_DOUBLE_EQ(saved(), 0.0);  // on the CPU they lie in a file
  cost.on_gpu = true;
  EXPECT_NEAR(saved(), 1.08 * matrices * (12 * (4.0 - 0.625) - 4.0), 1.0);
  cost.copy_bytes = 2.0;
  EXPECT_NEAR(saved(), 1.08 * matrices * (12 * (2.0 - 0.625) - 6.0), 1.0);
}

TEST(Memory, RanksThatUpdateAPartEachHoldThatPart) {
  types::MeasuredCost cost = measured();
  const types::ModelShape shape = support::sample_shape();
  const auto parameters = static_cast<double>(shape.parameters);
  const double plain = peak_bytes(cost, shape, 0, {10, false, false, 4, false});
  EXPECT_DOUBLE_EQ(plain, peak_bytes(cost, shape, 0, {10, false, false}));
  const double waiting = 64.0 * 1024.0 * 1024.0 + 4.0 * 576 * 49152;
  const double sharded = peak_bytes(cost, shape, 0, {10, false, false, 4, true});
  EXPECT_DOUBLE_EQ(sharded,
      with_gaps(
          4.0 * parameters + 8.0 * parameters / 4 + 4.0 * parameters / 4 + waiting + 5.0e8, 10));
  EXPECT_DOUBLE_EQ(peak_bytes(cost, shape, 0, {10, false, false, 4, true, true}) - sharded,
      1.08 * (4.0 * parameters - waiting));
  cost.copy_bytes = 2.0;
  const double blocks = parameters - 576 * 49152 - 576;
  const double narrow = peak_bytes(cost, shape, 0, {10, false, false, 4, true});
  EXPECT_NEAR(narrow - sharded, 1.08 * (2.0 * parameters - 3.0 * blocks), 1e-3 * sharded);
}

TEST(Memory, ADeeperCutNeverNeedsMoreButTheModelIsAlwaysReadIn) {
  const types::ModelShape shape = support::sample_shape();
  for (const bool in_file : {false, true}) {
    for (std::int64_t cut = 1; cut < shape.blocks; ++cut) {
      const double bytes = peak_bytes(measured(), shape, cut, {1024, in_file, false});
      EXPECT_LE(bytes, peak_bytes(measured(), shape, cut - 1, {1024, in_file, false}));
      EXPECT_GE(bytes, 4.0 * static_cast<double>(shape.parameters));
    }
  }
}

TEST(Memory, IsNotKnownWhereItWasNotMeasured) {
  EXPECT_DOUBLE_EQ(peak_bytes(support::sample_cost(), support::sample_shape(), 3, {}), 0.0);
}

// SmolLM2-135M, 1,024 tokens a batch, 22 to 66 batches of GSM8K: the largest anonymous memory
// (bytes) of such runs.
TEST(Memory, IsCloseToWhatWasMeasured) {
  types::MeasuredCost cost = measured();
  cost.base_bytes = 1.65e8;
  types::ModelShape shape = support::sample_shape();
  EXPECT_NEAR(peak_bytes(cost, shape, 0, {1024, false, false}), 3.297e9, 0.1 * 3.297e9);
  EXPECT_NEAR(peak_bytes(cost, shape, 20, {1024, false, false}), 1.631e9, 0.1 * 1.631e9);
  EXPECT_NEAR(peak_bytes(cost, shape, 15, {1024, true, false}), 1.936e9, 0.1 * 1.936e9);
  EXPECT_NEAR(peak_bytes(cost, shape, 23, {1024, true, false}), 1.195e9, 0.1 * 1.195e9);
  shape.block_trained_parameters.assign(30, 162'816);  // LoRA of rank 16
  EXPECT_NEAR(peak_bytes(cost, shape, 8, {1024, false, false}), 1.784e9, 0.1 * 1.784e9);
}

}  // namespace
}  // namespace salf::cost
