#include "salf/cost/memory.h"

#include "support/sample_documents.h"

namespace salf::cost {
namespace {

types::MeasuredCost measured() {
  types::MeasuredCost cost = support::sample_cost();
  cost.activation_bytes = 13000.0;
  cost.base_bytes = 5.0e8;
  return cost;
}

TEST(Memory, IsTheSumOfItsParts) {
  const types::ModelShape shape = support::sample_shape();
  const auto parameters = static_cast<double>(shape.parameters);
  EXPECT_DOUBLE_EQ(peak_bytes(measured(), shape, 0, {1000, false, false}),
                   16.0 * parameters + 30 * 1000 * 13000.0 + 5.0e8);
  const auto trained = static_cast<double>(shape.trained_parameters(12));
  EXPECT_DOUBLE_EQ(peak_bytes(measured(), shape, 12, {1000, false, false}),
                   4.0 * parameters + 12.0 * trained + 18 * 1000 * 13000.0 + 5.0e8);
  EXPECT_DOUBLE_EQ(peak_bytes(measured(), shape, 12, {1000, true, false}),
                   16.0 * trained + 4.0 * 576 * 49152 + 18 * 1000 * 13000.0 + 5.0e8);
}

TEST(Memory, RecomputingKeepsOneBlock) {
  const types::ModelShape shape = support::sample_shape();
  const double saved = peak_bytes(measured(), shape, 0, {1000, false, false}) - peak_bytes(measured(), shape, 0, {1000, false, true});
  EXPECT_DOUBLE_EQ(saved, 29 * 1000 * 13000.0 - 30 * 1000 * 576 * 4.0);
}

TEST(Memory, ADeeperCutNeverNeedsMoreButTheModelIsAlwaysReadIn) {
  const types::ModelShape shape = support::sample_shape();
  for (const bool in_file : {false, true}) {
    for (std::int64_t eof = 1; eof < shape.blocks; ++eof) {
      const double bytes = peak_bytes(measured(), shape, eof, {1024, in_file, false});
      EXPECT_LE(bytes, peak_bytes(measured(), shape, eof - 1, {1024, in_file, false}));
      EXPECT_GE(bytes, 4.0 * static_cast<double>(shape.parameters));
    }
  }
}

TEST(Memory, IsNotKnownWhereItWasNotMeasured) {
  EXPECT_DOUBLE_EQ(peak_bytes(support::sample_cost(), support::sample_shape(), 3, {}), 0.0);
}

// The README's table: SmolLM2-135M, 1,024 tokens a batch, later epochs (GiB of anonymous memory).
TEST(Memory, IsCloseToWhatWasMeasured) {
  types::MeasuredCost cost = measured();
  cost.activation_bytes = 13.0e3;
  cost.base_bytes = 5.35e8;
  const types::ModelShape shape = support::sample_shape();
  const double gib = 1024.0 * 1024.0 * 1024.0;
  EXPECT_NEAR(peak_bytes(cost, shape, 0, {1024, false, false}) / gib, 2.91, 0.1 * 2.91);
  EXPECT_NEAR(peak_bytes(cost, shape, 15, {1024, true, false}) / gib, 1.58, 0.1 * 1.58);
  EXPECT_NEAR(peak_bytes(cost, shape, 23, {1024, true, false}) / gib, 1.06, 0.1 * 1.06);
}

}  // namespace
}  // namespace salf::cost
