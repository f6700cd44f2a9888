#include "core/statistics.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "core/error.h"
#include "core/random.h"

namespace salf::core {
namespace {

TEST(ClusteredMean, OfSingleUnitsIsTheUsualStandardError) {
  const std::vector<double> values = {1.0, 4.0, 2.0, 8.0, -3.0};
  ClusteredMean clustered;
  for (const double value : values) clustered.add(value, 1.0);
  const Estimate estimate = clustered.estimate();
  EXPECT_DOUBLE_EQ(estimate.mean, mean(values));
  EXPECT_NEAR(estimate.standard_error, standard_deviation(values) / std::sqrt(5.0), 1e-12);
}

TEST(ClusteredMean, AgreesWithCochransFormula) {
  const std::vector<double> sums = {3.0, 10.0, 1.0};
  const std::vector<double> counts = {2.0, 5.0, 1.0};
  ClusteredMean clustered;
  for (std::size_t i = 0; i < sums.size(); ++i) clustered.add(sums[i], counts[i]);
  const double ratio = 14.0 / 8.0;
  double squares = 0.0;
  for (std::size_t i = 0; i < sums.size(); ++i) squares += std::pow(sums[i] - ratio * counts[i], 2);
  EXPECT_DOUBLE_EQ(clustered.estimate().mean, ratio);
  EXPECT_NEAR(clustered.estimate().standard_error, std::sqrt(1.5 * squares) / 8.0, 1e-12);
  EXPECT_EQ(clustered.clusters(), 3);
  EXPECT_EQ(clustered.units(), 8.0);
}

TEST(ClusteredMean, LargeOffsetsDoNotCancel) {
  ClusteredMean small;
  ClusteredMean large;
  for (int i = 0; i < 100; ++i) {
    const double value = std::sin(i);
    small.add(value * (i % 3 + 1), i % 3 + 1);
    large.add((value + 1e8) * (i % 3 + 1), i % 3 + 1);
  }
  EXPECT_NEAR(large.estimate().standard_error, small.estimate().standard_error, 1e-7);
}

TEST(ClusteredMean, SaysWhatItCannotKnow) {
  ClusteredMean clustered;
  EXPECT_TRUE(std::isnan(clustered.estimate().mean));
  clustered.add(0.0, 0.0);
  EXPECT_EQ(clustered.clusters(), 0);
  clustered.add(6.0, 3.0);
  EXPECT_EQ(clustered.estimate().mean, 2.0);
  EXPECT_TRUE(std::isnan(clustered.estimate().standard_error));
  clustered.add(4.0, 2.0);
  EXPECT_EQ(clustered.estimate().standard_error, 0.0);
  clustered.add(std::nan(""), 1.0);
  EXPECT_TRUE(std::isnan(clustered.estimate().mean));
  EXPECT_TRUE(std::isnan(clustered.estimate().standard_error));
}

// One sample of documents of unequal length whose units share a document's own level.
template <class Add> void draw_documents(Random& random, int documents, const Add& add) {
  for (int d = 0; d < documents; ++d) {
    const auto count = static_cast<double>(1 + random.below(9));
    const double level = random.normal();
    double sum = 0.0;
    for (double i = 0; i < count; ++i) sum += 3.0 + level + 0.5 * random.normal();
    add(sum, count);
  }
}

TEST(ClusteredMean, ErrorIsTheSpreadOverRepeatedSamples) {
  Random random(5, "clusters");
  std::vector<double> means;
  double errors = 0.0;
  const int repeats = 1500;
  for (int r = 0; r < repeats; ++r) {
    ClusteredMean clustered;
    draw_documents(random, 200, [&](double sum, double count) { clustered.add(sum, count); });
    means.push_back(clustered.estimate().mean);
    errors += clustered.estimate().standard_error / repeats;
  }
  EXPECT_NEAR(mean(means), 3.0, 5.0 * errors / std::sqrt(repeats));
  EXPECT_NEAR(standard_deviation(means) / errors, 1.0,
      0.08);  // 4 errors of a deviation from 1500, and bias
}

TEST(PoissonBootstrap, SpreadsAsTheClusteredErrorSays) {
  Random random(5, "bootstrap test");
  ClusteredMean clustered;
  PoissonBootstrap bootstrap(1500, 2, 9);
  draw_documents(random, 400, [&](double sum, double count) {
    clustered.add(sum, count);
    bootstrap.add({sum, -2.0 * sum}, count);
  });
  std::vector<double> first;
  std::vector<double> second;
  for (const auto& replicate : bootstrap.means()) {
    first.push_back(replicate[0]);
    second.push_back(replicate[1]);
    EXPECT_DOUBLE_EQ(replicate[1], -2.0 * replicate[0]) << "both quantities use the same documents";
  }
  const Estimate estimate = clustered.estimate();
  EXPECT_EQ(first.size(), 1500U);
  EXPECT_NEAR(mean(first), estimate.mean, estimate.standard_error / 5.0);
  EXPECT_NEAR(standard_deviation(first) / estimate.standard_error, 1.0, 0.1);
}

TEST(PoissonBootstrap, IsReproducibleAndDependsOnTheSeed) {
  const auto means = [](std::uint64_t seed) {
    PoissonBootstrap bootstrap(10, 1, seed);
    for (int d = 0; d < 20; ++d) bootstrap.add({static_cast<double>(d)}, 1.0);
    return bootstrap.means();
  };
  EXPECT_EQ(means(1), means(1));
  EXPECT_NE(means(1), means(2));
}

TEST(PoissonBootstrap, LeavesOutReplicatesThatDrewNothing) {
  PoissonBootstrap bootstrap(2000, 1, 1);
  bootstrap.add({6.0}, 2.0);
  const auto means = bootstrap.means();
  EXPECT_NEAR(static_cast<double>(means.size()), 2000.0 * (1.0 - std::exp(-1.0)), 110.0);
  for (const auto& replicate : means) EXPECT_DOUBLE_EQ(replicate[0], 3.0);
}

TEST(PoissonBootstrap, RefusesAnotherNumberOfQuantities) {
  PoissonBootstrap bootstrap(3, 2, 1);
  EXPECT_THROW(bootstrap.add({1.0}, 1.0), Error);
}

TEST(SmallSamples, ClosedForms) {
  EXPECT_DOUBLE_EQ(mean({1, 2, 6}), 3.0);
  EXPECT_TRUE(std::isnan(mean({})));
  EXPECT_DOUBLE_EQ(median({9, 1, 5}), 5.0);
  EXPECT_DOUBLE_EQ(median({4, 1, 3, 2}), 2.5);
  EXPECT_DOUBLE_EQ(quantile({10, 20, 30, 40, 50}, 0.0), 10.0);
  EXPECT_DOUBLE_EQ(quantile({10, 20, 30, 40, 50}, 1.0), 50.0);
  EXPECT_DOUBLE_EQ(quantile({50, 40, 30, 20, 10}, 0.3), 22.0);
  EXPECT_DOUBLE_EQ(quantile({7}, 0.9), 7.0);
  EXPECT_EQ(quantile({1, 2, std::numeric_limits<double>::infinity()}, 0.5), 2.0);
  EXPECT_DOUBLE_EQ(standard_deviation({2, 4, 4, 4, 5, 5, 7, 9}), std::sqrt(32.0 / 7.0));
  EXPECT_TRUE(std::isnan(standard_deviation({1})));
}

}  // namespace
}  // namespace salf::core
