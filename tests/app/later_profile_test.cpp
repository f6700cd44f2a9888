#include "app/evidence/later_profile.h"

#include <gtest/gtest.h>

#include "app/planning/planning.h"
#include "support/sample_documents.h"

namespace salf::app {
namespace {

types::FreezePlan plan_for(const std::string& budget, types::Rule rule = types::Rule::kPredicted) {
  types::FreezePlan plan;
  plan.shape = support::sample_shape();
  plan.data = support::sample_data();
  plan.cost = support::sample_cost();
  plan.budget = types::parse_budget(budget);
  plan.rule = rule;
  plan.choices = {{rule, types::Measure::kCosine, 4}};
  return plan;
}

TEST(LaterProfile, FollowsARunWhosePlanHasNoneUnlessCutAndStepsAreGiven) {
  const LaterProfile usual({}, 2.0);
  EXPECT_TRUE(usual.follows(plan_for("2m")));
  EXPECT_TRUE(usual.follows(plan_for("8steps")));
  EXPECT_TRUE(usual.follows(plan_for("2m", types::Rule::kFixed)));
  EXPECT_FALSE(usual.follows(plan_for("8steps", types::Rule::kFixed)));
  types::FreezePlan measured = plan_for("2m");
  measured.choices.push_back({types::Rule::kMaxGain, types::Measure::kCosine, 20});
  EXPECT_FALSE(usual.follows(measured));
  calibration::CalibrationOptions asked;
  asked.documents = 24;
  EXPECT_TRUE(LaterProfile(asked, 2.0).follows(plan_for("8steps", types::Rule::kFixed)));
}

TEST(LaterProfile, IsGivenTimeWhereItTakesNoMoreThanItsShare) {
  const LaterProfile profile({}, 2.0);
  EXPECT_EQ(profile.reserve(plan_for("8steps")), 0.0);
  const double needed = profile.reserve(plan_for("10h"));
  EXPECT_GT(needed, 2.0);
  const auto seconds = [](double amount) { return std::to_string(amount) + "s"; };
  EXPECT_EQ(profile.reserve(plan_for(seconds(1.01 * needed / kProfileShare))), needed);
  EXPECT_EQ(profile.reserve(plan_for(seconds(0.99 * needed / kProfileShare))), 0.0);
}

// Each rank measures as many documents as one process does, at costs that are given for all ranks.
TEST(LaterProfile, OfRanksTakesAsLongAsItsDocumentsOfEach) {
  types::FreezePlan plan = plan_for("10h");
  const double alone = LaterProfile({}, 0.0).reserve(plan);
  plan.shards = 4;
  EXPECT_NEAR(LaterProfile({}, 0.0).reserve(plan), 4.0 * alone, 1e-9 * alone);
}

TEST(SecondsLeft, AreFewerWhereStepsWereSlow) {
  types::RunRecord record;
  record.plan = plan_for("100s");
  record.plan.steps = 20;
  record.steps = 10;
  record.predicted_seconds.backward = 20.0;
  record.predicted_seconds.fixed = 100.0;
  record.measured_seconds.backward = 20.0;
  EXPECT_DOUBLE_EQ(seconds_left(record, 70.0).value(), 15.0);
  record.measured_seconds.backward = 5.0;
  EXPECT_DOUBLE_EQ(seconds_left(record, 70.0).value(), 30.0);
  record.plan.budget = types::parse_budget("8steps");
  EXPECT_FALSE(seconds_left(record, 70.0));
}

TEST(LaterProfile, IsNotBegunWithoutTheTime) {
  Session session{{}, {}, "", "", c10::Device(c10::DeviceType::CPU), nullptr, nullptr, std::nullopt,
      "", {}, std::make_shared<data::Dataset>()};
  core::Progress progress;
  EXPECT_FALSE(LaterProfile({}, 2.0).measure(session, plan_for("2m"), 2.0, progress));
}

}  // namespace
}  // namespace salf::app
