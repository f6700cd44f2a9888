#include "policy/learning_rate.h"

#include "support/sample_documents.h"

namespace salf::policy {
namespace {

double once(const types::ModelShape& shape, types::Arm arm, std::int64_t cut) {
  return learning_rate(shape, arm, cut, 1.0);
}

// Within a factor 1.4 of what did best in the prototype (learning_rate.h).
TEST(LearningRate, IsCloseToWhatWasMeasured) {
  const types::ModelShape shape = support::sample_shape();
  EXPECT_DOUBLE_EQ(once(shape, types::Arm::kFreeze, 0), 1.5e-4);
  EXPECT_NEAR(std::log(once(shape, types::Arm::kFreeze, 8) / 2e-4), 0.0, std::log(1.4));
  EXPECT_NEAR(std::log(once(shape, types::Arm::kFreeze, 15) / 4e-4), 0.0, std::log(1.4));
  EXPECT_GT(once(shape, types::Arm::kFreeze, 23), 4e-4);
  EXPECT_LT(once(shape, types::Arm::kFreeze, 23), 8e-4);
}

TEST(LearningRate, AdaptersHaveARateOfTheirOwn) {
  const types::ModelShape shape = support::sample_shape();
  EXPECT_DOUBLE_EQ(once(shape, types::Arm::kLora, 0), 1.5e-3);
  EXPECT_NEAR(once(shape, types::Arm::kLora, 12), 2.2e-3, 5e-5);
  EXPECT_DOUBLE_EQ(once(shape, types::Arm::kLora, 29), 3e-3);
  EXPECT_DOUBLE_EQ(once(shape, types::Arm::kFull, 0), 1.5e-4);
}

TEST(LearningRate, RisesWithTheCutUpToItsCeiling) {
  const types::ModelShape shape = support::sample_shape(100);
  for (std::int64_t cut = 1; cut < 100; ++cut) {
    EXPECT_GE(once(shape, types::Arm::kFreeze, cut), once(shape, types::Arm::kFreeze, cut - 1));
  }
  EXPECT_DOUBLE_EQ(once(shape, types::Arm::kFreeze, 99), 1e-3);
}

TEST(LearningRate, FallsWithTheEpochs) {
  const types::ModelShape shape = support::sample_shape();
  EXPECT_DOUBLE_EQ(
      learning_rate(shape, types::Arm::kLora, 8, 3.0), once(shape, types::Arm::kLora, 8) / 3.0);
  EXPECT_DOUBLE_EQ(
      learning_rate(shape, types::Arm::kFreeze, 8, 4.0), once(shape, types::Arm::kFreeze, 8) / 8.0);
  for (const types::Arm arm : {types::Arm::kFreeze, types::Arm::kLora}) {
    EXPECT_DOUBLE_EQ(learning_rate(shape, arm, 8, 0.2), once(shape, arm, 8));
  }
}

TEST(TrialRate, IsAnotherOnlyWhereThatIsClearlyBetter) {
  types::TrialTable trials;
  types::Trial full, cut;
  cut.cut = 8;
  cut.rates = {{0.5, 1.88, -0.02, 0.004}, {0.25, 1.87, -0.03, 0.02}, {2.0, 1.95, 0.05, 0.01}};
  trials.arms = {full, cut};
  EXPECT_EQ(trial_rate_factor(trials, types::Arm::kFreeze, 8),
      0.5);                                                         // a quarter is within its error
  EXPECT_EQ(trial_rate_factor(trials, types::Arm::kFull, 0), 0.5);  // full itself tried none
  EXPECT_EQ(trial_rate_factor(trials, types::Arm::kLora, 8), 1.0);
  trials.arms[0].rates = {{2.0, 1.8, -0.1, 0.01}};
  EXPECT_EQ(trial_rate_factor(trials, types::Arm::kFreeze, 3), 2.0);
  EXPECT_EQ(trial_rate_factor(trials, types::Arm::kFreeze, 5), 0.5);
  EXPECT_EQ(trial_rate_factor({}, types::Arm::kFull, 0), 1.0);
}

}  // namespace
}  // namespace salf::policy
