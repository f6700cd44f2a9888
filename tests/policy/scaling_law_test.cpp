#include "policy/scaling_law.h"

#include "support/sample_documents.h"

namespace salf::policy {
namespace {

std::vector<double> power_curve(double a, double b, double c, int blocks) {
  std::vector<double> curve;
  for (int l = 0; l <= blocks; ++l) curve.push_back(c + a * std::pow(l + 1.0, -b));
  return curve;
}

TEST(ScalingLaw, FindsAnExactPowerLaw) {
  for (const double b : {0.1, 0.5, 1.0, 2.5}) {
    SCOPED_TRACE(b);
    const auto law =
        fit_scaling_law(support::sample_deviation(power_curve(0.6, b, 0.3, 30), 1e-3, 0));
    EXPECT_TRUE(law.found);
    EXPECT_NEAR(law.a, 0.6, 1e-4);
    EXPECT_NEAR(law.b, b, 1e-4);
    EXPECT_NEAR(law.c, 0.3, 1e-4);
    EXPECT_NEAR(law.r_squared, 1.0, 1e-9);
  }
}

TEST(ScalingLaw, SharesAreThoseOfTheFittedReduction) {
  const auto law =
      fit_scaling_law(support::sample_deviation(power_curve(0.6, 1.0, 0.3, 9), 1e-3, 0));
  ASSERT_EQ(law.share.size(), 10U);
  for (int l = 0; l <= 9; ++l) {
    EXPECT_NEAR(law.share[static_cast<std::size_t>(l)], (1.0 - 1.0 / (l + 1.0)) / 0.9, 1e-4);
  }
}

TEST(ScalingLaw, ItsIntervalHoldsTheExponent) {
  int held = 0;
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    const auto exact = power_curve(0.6, 0.7, 0.3, 30);
    auto noisy = exact;
    core::Random random(seed, "noise");
    for (double& value : noisy) value += 0.01 * random.normal();
    const auto law = fit_scaling_law(support::sample_deviation(noisy, 0.01, 60, seed));
    EXPECT_LT(law.b_low, law.b_high);
    if (law.b_low <= 0.7 && 0.7 <= law.b_high) ++held;
  }
  EXPECT_GE(held, 15);  // 18 expected of 90 % intervals
}

TEST(ScalingLaw, AnUncertainSpaceHardlyCounts) {
  auto measured = support::sample_deviation(power_curve(0.6, 1.0, 0.3, 20), 1e-3, 0);
  measured.deviation[5] += 0.5;
  measured.standard_error[5] = 1e3;
  EXPECT_NEAR(fit_scaling_law(measured).b, 1.0, 1e-3);
  measured.standard_error[5] = std::nan("");  // not known: all weights are equal
  EXPECT_GT(std::fabs(fit_scaling_law(measured).b - 1.0), 1e-2);
}

TEST(ScalingLaw, SaysWhenThereIsNone) {
  const std::vector<double> flat(11, 0.5);
  std::vector<double> rising, straight;
  for (int l = 0; l <= 10; ++l) rising.push_back(0.5 + 0.01 * l);
  for (const auto& curve :
      {flat, rising, std::vector<double>{1.0, 0.5}, std::vector<double>{1.0}}) {
    const auto law = fit_scaling_law(support::sample_deviation(curve, 1e-3, 0));
    EXPECT_FALSE(law.found);
    EXPECT_EQ(law.share, std::vector<double>(curve.size(), 0.0));
    EXPECT_TRUE(std::isfinite(law.b) && std::isfinite(law.r_squared));
  }
}

}  // namespace
}  // namespace salf::policy
