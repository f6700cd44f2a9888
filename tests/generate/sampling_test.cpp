#include "generate/sampling.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "support/expect_error.h"

namespace salf::generate {
namespace {

at::Tensor logits_of(const std::vector<double>& shares) {
  return at::tensor(shares).log().to(at::kFloat);
}

std::vector<double> values(const at::Tensor& x) {
  return {x.const_data_ptr<double>(), x.const_data_ptr<double>() + x.numel()};
}

void expect_near(const at::Tensor& shares, const std::vector<double>& expected) {
  const std::vector<double> got = values(shares.contiguous());
  ASSERT_EQ(got.size(), expected.size());
  for (std::size_t i = 0; i < got.size(); ++i) EXPECT_NEAR(got[i], expected[i], 1e-6) << i;
}

TEST(Sampling, TemperatureIsAPowerOfTheProbabilities) {
  const at::Tensor logits = logits_of({0.5, 0.2, 0.3});
  expect_near(probabilities(logits, {1.0, 1.0}), {0.5, 0.2, 0.3});
  expect_near(probabilities(logits, {0.5, 1.0}), {0.25 / 0.38, 0.04 / 0.38, 0.09 / 0.38});
}

TEST(Sampling, TopPKeepsTheFewestThatReachIt) {
  const at::Tensor logits = logits_of({0.1, 0.5, 0.15, 0.25});
  expect_near(probabilities(logits, {1.0, 0.6}), {0.0, 0.5 / 0.75, 0.0, 0.25 / 0.75});
  expect_near(probabilities(logits, {1.0, 0.4}), {0.0, 1.0, 0.0, 0.0});
  expect_near(probabilities(logits, {1.0, 1e-9}), {0.0, 1.0, 0.0, 0.0});
}

TEST(Sampling, DrawsAsOftenAsTheProbabilitiesSay) {
  const at::Tensor logits = logits_of({0.6, 0.1, 0.3});
  core::Random random(3, "test");
  std::vector<int> counts(3);
  constexpr int kDraws = 4000;
  for (int i = 0; i < kDraws; ++i) {
    const auto id = next_token(logits, {1.0, 0.85}, random);
    ++counts[static_cast<std::size_t>(id)];
  }
  EXPECT_EQ(counts[1], 0);
  // Four standard errors.
  EXPECT_NEAR(counts[0], kDraws * 2.0 / 3.0, 4.0 * std::sqrt(kDraws * 2.0 / 9.0));
}

TEST(Sampling, GreedyTakesTheFirstOfTheLargest) {
  core::Random random(1, "test");
  EXPECT_EQ(next_token(at::tensor({1.0F, 4.0F, 4.0F, -2.0F}), {}, random), 1);
}

TEST(Sampling, RefusesLogitsThatAreNotFinite) {
  core::Random random(1, "test");
  const float nan = std::numeric_limits<float>::quiet_NaN();
  testing::expect_error(ErrorKind::kBadModel, "not finite", [&] {
    next_token(at::tensor({1.0F, nan}), {}, random);
  });
}

}  // namespace
}  // namespace salf::generate
