#include "policy/rules.h"

#include "support/sample_documents.h"

namespace salf::policy {
namespace {

using support::expect_error;
using support::sample_deviation;
using types::Rule;

std::int64_t choose(Rule rule, const std::vector<double>& curve, double error = 1e-6) {
  return choose_cut(rule, {}, sample_deviation(curve, error, 0));
}

TEST(EofPolicy, MaxGainFreezesTheBlockOfTheLargestDropAndAllBelowIt) {
  for (std::int64_t drop = 1; drop < 30; ++drop) {
    EXPECT_EQ(choose(Rule::kMaxGain, support::curve_with_drop(30, drop)), drop);
  }
}

TEST(EofPolicy, MaxGainLeavesTheLastBlocksJumpOut) {
  EXPECT_EQ(choose(Rule::kMaxGain, {1.0, 0.9, 0.85, 0.1}), 1);
}

TEST(EofPolicy, MaxGainTakesTheShallowerOfTies) {
  // Drops 0.10, 0.02, 0.105, last.
  const std::vector<double> curve = {1.0, 0.9, 0.88, 0.775, 0.2};
  EXPECT_EQ(choose(Rule::kMaxGain, curve, 0.001), 3);
  EXPECT_EQ(choose(Rule::kMaxGain, curve, 0.01), 1);
}

TEST(EofPolicy, KeepsAllLayersWhenGainIsFlat) {
  const std::vector<double> flat(11, 0.7);
  EXPECT_EQ(choose(Rule::kMaxGain, flat), 0);
  EXPECT_EQ(choose(Rule::kThreshold, flat), 0);
  // A fall that is no larger than its error shows nothing.
  EXPECT_EQ(choose(Rule::kMaxGain, {1.0, 0.999, 0.998, 0.5}, 0.01), 0);
}

TEST(EofPolicy, KeepsAllLayersWhenTheDeviationRises) {
  const std::vector<double> rising = {0.5, 0.6, 0.7, 0.8, 0.9};
  EXPECT_EQ(choose(Rule::kMaxGain, rising), 0);
  EXPECT_EQ(choose(Rule::kThreshold, rising), 0);
}

TEST(EofPolicy, MinDeviationIsTheShallowestWithinOneErrorOfTheSmallest) {
  const std::vector<double> curve = {1.0, 0.8, 0.52, 0.5, 0.6, 0.1};
  EXPECT_EQ(choose(Rule::kMinDeviation, curve, 0.001), 3);
  EXPECT_EQ(choose(Rule::kMinDeviation, curve, 0.03), 2);
}

TEST(EofPolicy, ThresholdIsTheFirstSpaceByWhichTheShareIsReached) {
  const std::vector<double> curve = {1.0, 0.8, 0.5, 0.3, 0.1, 0.0};
  const auto at = [&](double tau) {
    RuleParameters parameters;
    parameters.tau = tau;
    return choose_cut(Rule::kThreshold, parameters, sample_deviation(curve, 1e-3, 0));
  };
  EXPECT_EQ(at(0.5), 2);
  EXPECT_EQ(at(0.45), 3);
  EXPECT_EQ(at(1.0), 0);
  EXPECT_EQ(at(0.0), 4);  // only the last space gets there, and the last block is always trained
  expect_error(ErrorKind::kUsage, {"--tau", "1.5"}, [&] { at(1.5); });
}

TEST(EofPolicy, FixedAndFractionAreRefusedOutsideOfTheModel) {
  const auto deviation = sample_deviation(support::curve_with_drop(10, 3), 1e-3, 0);
  const auto fixed = [&](std::int64_t cut) {
    return choose_cut(Rule::kFixed, {0.1, cut, 0.5}, deviation);
  };
  const auto part = [&](double f) { return choose_cut(Rule::kFraction, {0.1, 0, f}, deviation); };
  EXPECT_EQ(fixed(0), 0);
  EXPECT_EQ(fixed(9), 9);
  expect_error(ErrorKind::kUsage, {"--eof", "9", "10 blocks"}, [&] { fixed(10); });
  expect_error(ErrorKind::kUsage, {"--eof", "-1"}, [&] { fixed(-1); });
  EXPECT_EQ(part(0.0), 0);
  EXPECT_EQ(part(0.26), 3);
  EXPECT_EQ(part(0.94), 9);
  expect_error(ErrorKind::kUsage, {"--fraction"}, [&] { part(0.96); });
  expect_error(ErrorKind::kUsage, {"--fraction"}, [&] { part(std::nan("")); });
}

TEST(EofPolicy, AModelOfOneBlockIsTrainedWhole) {
  for (const Rule rule : {Rule::kMaxGain, Rule::kMinDeviation, Rule::kThreshold, Rule::kBudget}) {
    EXPECT_EQ(choose(rule, {1.0, 0.1}), 0);
  }
}

TEST(EofPolicy, AnUnknownErrorMakesNoTies) {
  auto deviation = sample_deviation({1.0, 0.9, 0.79, 0.2}, 1e-3, 0);
  deviation.gain_error.assign(3, std::nan(""));
  deviation.standard_error.assign(4, std::nan(""));
  EXPECT_EQ(choose_cut(Rule::kMaxGain, {}, deviation), 2);
  EXPECT_EQ(choose_cut(Rule::kMinDeviation, {}, deviation), 2);
}

TEST(EofPolicy, StaysWithinTheModelOnAnyCurve) {
  core::Random random(3, "curves");
  for (int i = 0; i < 500; ++i) {
    const auto blocks = static_cast<std::int64_t>(1 + random.below(12));
    std::vector<double> curve;
    for (std::int64_t l = 0; l <= blocks; ++l) curve.push_back(random.normal());
    for (const Rule rule : {Rule::kMaxGain, Rule::kMinDeviation, Rule::kThreshold}) {
      const std::int64_t cut = choose(rule, curve, 0.5 * random.uniform());
      EXPECT_GE(cut, 0);
      EXPECT_LT(cut, blocks);
    }
  }
}

TEST(EofPolicy, StabilityIsTheShareOfReplicatesThatAgree) {
  auto deviation = sample_deviation(support::curve_with_drop(6, 3), 1e-6, 0);
  for (const std::int64_t drop : {3, 3, 3, 5}) {
    deviation.replicates.push_back(support::curve_with_drop(6, drop));
  }
  const auto choice = choose_with_stability(Rule::kMaxGain, {}, deviation);
  EXPECT_EQ(choice.cut, 3);
  EXPECT_DOUBLE_EQ(choice.stability, 0.75);
  EXPECT_EQ(choice.low, 3);
  EXPECT_EQ(choice.high, 5);
}

TEST(EofPolicy, WithoutReplicatesNothingIsSaidOfStability) {
  const auto choice = choose_with_stability(
      Rule::kMaxGain, {}, sample_deviation(support::curve_with_drop(6, 3), 1e-6, 0));
  EXPECT_DOUBLE_EQ(choice.stability, 0.0);
  EXPECT_EQ(choice.low, 0);
  EXPECT_EQ(choice.high, 5);
}

TEST(EofPolicy, ALargeDropIsStableAndASmallOneIsNot) {
  const auto clear = sample_deviation(support::curve_with_drop(12, 7), 1e-3, 200);
  EXPECT_DOUBLE_EQ(choose_with_stability(Rule::kMaxGain, {}, clear).stability, 1.0);
  const auto unclear = sample_deviation(support::curve_with_drop(12, 7), 0.1, 200);
  EXPECT_LT(choose_with_stability(Rule::kMaxGain, {}, unclear).stability, 0.9);
}

TEST(EofPolicy, EveryRuleOnEveryMeasure) {
  types::LayerProfile profile = support::sample_profile(support::curve_with_drop(6, 3));
  profile.deviations.push_back(profile.deviations[0]);
  profile.deviations[1].measure = types::Measure::kLoss;
  const auto choices = all_choices(profile, {});
  ASSERT_EQ(choices.size(), 6U);
  EXPECT_EQ(choices[0].rule, Rule::kMaxGain);
  EXPECT_EQ(choices[5].rule, Rule::kThreshold);
  EXPECT_EQ(choices[5].measure, types::Measure::kLoss);
  profile.deviations.pop_back();
  expect_error(ErrorKind::kUsage, {"loss"}, [&] { deviation_of(profile, types::Measure::kLoss); });
}

}  // namespace
}  // namespace salf::policy
