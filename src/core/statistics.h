// Means with errors, clustered by document: tokens of one document are not independent.
#pragma once

#include <cstdint>
#include <vector>

namespace salf::core {

struct Estimate {
  double mean = 0.0;            // NaN without units
  double standard_error = 0.0;  // NaN with fewer than two clusters
};

// Ratio estimator for clustered data (Cochran, Sampling Techniques, 3rd ed., §6.3): the mean over
// all units, mean = Σ S_d / Σ n_d, with variance n/(n−1) · Σ (S_d − mean·n_d)² / (Σ n_d)², d the n
// documents. Streaming: memory does not depend on how many documents are added.
class ClusteredMean {
 public:
  // Adds a document: the sum and the count of its values. A count of 0 is ignored. REQUIRES: count
  // ≥ 0
  void add(double sum, double count);
  Estimate estimate() const;
  std::int64_t clusters() const { return clusters_; }
  double units() const { return count_; }

 private:
  std::int64_t clusters_ = 0;
  // Sums of differences from the first document's mean: squares of raw sums would cancel.
  double offset_ = 0.0;
  double sum_ = 0.0, count_ = 0.0;
  double sum_squares_ = 0.0, cross_ = 0.0, count_squares_ = 0.0;
};

// Bootstrap over documents, streaming: each document enters replicate r with a weight drawn from
// Poisson(1) (Chamandy et al., Estimating uncertainty for massive data streams, Google 2012), and
// each replicate keeps only its weighted sums.
class PoissonBootstrap {
 public:
  // `quantities` values are summed per document (one per space).
  PoissonBootstrap(std::int64_t replicates, std::int64_t quantities, std::uint64_t seed);
  // Adds a document: a sum per quantity, and the units of all of them. The weights depend on the
  // seed and the document's place alone. REQUIRES: sums.size() == quantities
  void add(const std::vector<double>& sums, double count);
  // Means [replicate][quantity]; a replicate that drew no unit is left out.
  std::vector<std::vector<double>> means() const;

 private:
  std::int64_t quantities_;
  std::uint64_t seed_;
  std::int64_t documents_ = 0;
  std::vector<std::vector<double>> sums_;
  std::vector<double> counts_;
};

// Half the width of a normal's two-sided 95 % interval, in standard errors.
constexpr double kNormal95 = 1.959963984540054;

double mean(const std::vector<double>& values);  // NaN if empty
double median(std::vector<double> values);       // REQUIRES: not empty
// Interpolates linearly. REQUIRES: not empty
double quantile(std::vector<double> values, double share);
double standard_deviation(const std::vector<double>& values);  // n−1; NaN below two values

}  // namespace salf::core
