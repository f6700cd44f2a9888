#include "core/random.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <map>

namespace salf::core {
namespace {

TEST(Random, IsSplitMix64) {
  // The first outputs for state 0 and 1234567, as published with the reference C code (Vigna,
  // splitmix64.c).
  Random zero(0);
  EXPECT_EQ(zero.next(), 0xE220A8397B1DCDAFULL);
  EXPECT_EQ(zero.next(), 0x6E789E6AA1B965F4ULL);
  EXPECT_EQ(zero.next(), 0x06C45D188009454FULL);
  Random other(1234567);
  EXPECT_EQ(other.next(), 6457827717110365317ULL);
  EXPECT_EQ(other.next(), 3203168211198807973ULL);
}

TEST(Random, StreamsDependOnSeedAndPurpose) {
  EXPECT_EQ(Random(1, "a").next(), Random(1, "a").next());
  EXPECT_NE(Random(1, "a").next(), Random(1, "b").next());
  EXPECT_NE(Random(1, "a").next(), Random(2, "a").next());
  EXPECT_NE(Random(1, "1/a").next(), Random(11, "/a").next());
}

TEST(Random, UniformHasTheRightMoments) {
  Random random(7, "uniform");
  const int n = 200'000;
  double sum = 0.0;
  double squares = 0.0;
  for (int i = 0; i < n; ++i) {
    const double u = random.uniform();
    ASSERT_GE(u, 0.0);
    ASSERT_LT(u, 1.0);
    sum += u;
    squares += u * u;
  }
  EXPECT_NEAR(sum / n, 0.5, 5.0 * std::sqrt(1.0 / 12.0 / n));
  EXPECT_NEAR(squares / n, 1.0 / 3.0, 5.0 * std::sqrt(4.0 / 45.0 / n));
}

TEST(Random, BelowIsUnbiasedWhereTheRemainderIsLarge) {
  // Of 2^64 values, plain % would give those below 2^62 twice as often as the others.
  const std::uint64_t limit = 3ULL << 62U;
  Random random(7, "below");
  const int n = 30'000;
  int low = 0;
  for (int i = 0; i < n; ++i) {
    const std::uint64_t value = random.below(limit);
    ASSERT_LT(value, limit);
    low += value < (1ULL << 62U) ? 1 : 0;
  }
  EXPECT_NEAR(low, n / 3.0, 5.0 * std::sqrt(n * 2.0 / 9.0));
  EXPECT_EQ(random.below(1), 0U);
}

TEST(Random, PoissonHasMeanAndVarianceOne) {
  Random random(7, "poisson");
  const int n = 400'000;
  double sum = 0.0;
  double squares = 0.0;
  std::array<int, 4> counts{};
  for (int i = 0; i < n; ++i) {
    const int k = random.poisson_one();
    ASSERT_GE(k, 0);
    if (k < 4) ++counts[static_cast<std::size_t>(k)];
    sum += k;
    squares += (k - 1.0) * (k - 1.0);
  }
  EXPECT_NEAR(sum / n, 1.0, 5.0 / std::sqrt(n));
  EXPECT_NEAR(squares / n, 1.0, 5.0 * std::sqrt(3.0 / n));  // the fourth central moment is 4
  const std::array<double, 4> factorials = {1.0, 1.0, 2.0, 6.0};
  for (std::size_t k = 0; k < counts.size(); ++k) {
    const double p = std::exp(-1.0) / factorials[k];
    EXPECT_NEAR(counts[k], n * p, 5.0 * std::sqrt(n * p * (1.0 - p))) << k;
  }
}

TEST(Random, NormalHasTheRightMoments) {
  Random random(7, "normal");
  const int n = 200'000;
  double sum = 0.0;
  double squares = 0.0;
  int beyond_two = 0;
  for (int i = 0; i < n; ++i) {
    const double x = random.normal();
    sum += x;
    squares += x * x;
    beyond_two += std::fabs(x) > 2.0 ? 1 : 0;
  }
  EXPECT_NEAR(sum / n, 0.0, 5.0 / std::sqrt(n));
  EXPECT_NEAR(squares / n, 1.0, 5.0 * std::sqrt(2.0 / n));
  EXPECT_NEAR(beyond_two / static_cast<double>(n), 0.0455, 5.0 * std::sqrt(0.0455 / n));
}

TEST(Permutation, EveryOrderIsEquallyLikely) {
  Random random(7, "permutation");
  std::map<std::vector<std::int64_t>, int> counts;
  const int n = 48'000;
  for (int i = 0; i < n; ++i) ++counts[permutation(4, random)];
  ASSERT_EQ(counts.size(), 24U);
  double chi_square = 0.0;
  for (const auto& [order, count] : counts)
    chi_square += (count - 2000.0) * (count - 2000.0) / 2000.0;
  EXPECT_LT(chi_square, 60.0);  // 23 degrees of freedom: p = 4e-5
}

TEST(Permutation, HoldsEveryNumberOnce) {
  Random random(7, "permutation");
  EXPECT_TRUE(permutation(0, random).empty());
  auto order = permutation(1000, random);
  EXPECT_FALSE(std::is_sorted(order.begin(), order.end()));
  std::sort(order.begin(), order.end());
  for (std::size_t i = 0; i < order.size(); ++i) EXPECT_EQ(order[i], static_cast<std::int64_t>(i));
}

}  // namespace
}  // namespace salf::core
