#include "salf/policy/learning_rate.h"

#include "support/sample_documents.h"

namespace salf::policy {
namespace {

// Within a factor 1.4 of what did best in the prototype (learning_rate.h).
TEST(LearningRate, IsCloseToWhatWasMeasured) {
  const types::ModelShape shape = support::sample_shape();
  EXPECT_DOUBLE_EQ(learning_rate(shape, 0), 1.5e-4);
  EXPECT_NEAR(std::log(learning_rate(shape, 8) / 2e-4), 0.0, std::log(1.4));
  EXPECT_NEAR(std::log(learning_rate(shape, 15) / 4e-4), 0.0, std::log(1.4));
  EXPECT_GT(learning_rate(shape, 23), 4e-4);
  EXPECT_LT(learning_rate(shape, 23), 8e-4);
}

TEST(LearningRate, AdaptersHaveARateOfTheirOwn) {
  const types::ModelShape shape = support::sample_shape();
  EXPECT_DOUBLE_EQ(learning_rate(shape, types::Arm::kLora, 0), 1e-3);
  EXPECT_DOUBLE_EQ(learning_rate(shape, types::Arm::kLora, 20), 1e-3);
  EXPECT_DOUBLE_EQ(learning_rate(shape, types::Arm::kFull, 0), learning_rate(shape, 0));
  EXPECT_DOUBLE_EQ(learning_rate(shape, types::Arm::kFreeze, 15), learning_rate(shape, 15));
}

TEST(LearningRate, RisesWithTheCutUpToItsCeiling) {
  const types::ModelShape shape = support::sample_shape(100);
  for (std::int64_t eof = 1; eof < 100; ++eof) {
    EXPECT_GE(learning_rate(shape, eof), learning_rate(shape, eof - 1));
  }
  EXPECT_DOUBLE_EQ(learning_rate(shape, 99), 1e-3);
}

}  // namespace
}  // namespace salf::policy
