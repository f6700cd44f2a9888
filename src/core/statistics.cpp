#include "core/statistics.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <string>
#include <utility>

#include "core/error.h"
#include "core/random.h"

namespace salf::core {

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();

void ClusteredMean::add(double sum, double count) {
  if (count == 0.0) return;
  if (clusters_ == 0) offset_ = sum / count;
  const double difference = sum - offset_ * count;
  ++clusters_;
  sum_ += difference;
  count_ += count;
  sum_squares_ += difference * difference;
  cross_ += difference * count;
  count_squares_ += count * count;
}

Estimate ClusteredMean::estimate() const {
  if (clusters_ == 0) return {kNaN, kNaN};
  const double shift = sum_ / count_;  // mean - offset_
  Estimate estimate{offset_ + shift, kNaN};
  if (clusters_ < 2) return estimate;
  const double residuals = sum_squares_ - 2.0 * shift * cross_ + shift * shift * count_squares_;
  const auto n = static_cast<double>(clusters_);
  // Rounding can leave a residual of zero slightly negative; NaN stays NaN.
  const double variance = n / (n - 1.0) * (residuals < 0.0 ? 0.0 : residuals) / (count_ * count_);
  estimate.standard_error = std::sqrt(variance);
  return estimate;
}

PoissonBootstrap::PoissonBootstrap(
    std::int64_t replicates, std::int64_t quantities, std::uint64_t seed)
    : quantities_(quantities), seed_(seed),
      sums_(static_cast<std::size_t>(replicates),
          std::vector<double>(static_cast<std::size_t>(quantities), 0.0)),
      counts_(static_cast<std::size_t>(replicates), 0.0) {}

void PoissonBootstrap::add(const std::vector<double>& sums, double count) {
  if (sums.size() != static_cast<std::size_t>(quantities_)) {
    throw Error(ErrorKind::kInternal, "PoissonBootstrap: expected " + std::to_string(quantities_) +
                                          " sums, got " + std::to_string(sums.size()));
  }
  // A generator per document: other documents and the number of replicates change nothing.
  Random random(seed_, "bootstrap/" + std::to_string(documents_++));
  for (std::size_t r = 0; r < sums_.size(); ++r) {
    const double weight = random.poisson_one();
    if (weight == 0.0) continue;
    counts_[r] += weight * count;
    for (std::size_t q = 0; q < sums.size(); ++q) sums_[r][q] += weight * sums[q];
  }
}

std::vector<std::vector<double>> PoissonBootstrap::means() const {
  std::vector<std::vector<double>> means;
  for (std::size_t r = 0; r < sums_.size(); ++r) {
    if (counts_[r] == 0.0) continue;
    means.push_back(sums_[r]);
    for (double& value : means.back()) value /= counts_[r];
  }
  return means;
}

double mean(const std::vector<double>& values) {
  if (values.empty()) return kNaN;
  double sum = 0.0;
  for (const double value : values) sum += value;
  return sum / static_cast<double>(values.size());
}

double median(std::vector<double> values) { return quantile(std::move(values), 0.5); }

double quantile(std::vector<double> values, double share) {
  std::sort(values.begin(), values.end());
  const double place = std::clamp(share, 0.0, 1.0) * static_cast<double>(values.size() - 1);
  const auto below = static_cast<std::size_t>(place);
  const std::size_t above = std::min(below + 1, values.size() - 1);
  const double weight = place - static_cast<double>(below);
  // Without a weight the upper neighbour must not count: it may be infinite.
  return weight == 0.0 ? values[below] : values[below] + weight * (values[above] - values[below]);
}

double standard_deviation(const std::vector<double>& values) {
  if (values.size() < 2) return kNaN;
  const double center = mean(values);
  double squares = 0.0;
  for (const double value : values) squares += (value - center) * (value - center);
  return std::sqrt(squares / static_cast<double>(values.size() - 1));
}

}  // namespace salf::core
