// How far is a mean to be trusted, when what was averaged comes in clusters?
// All statistics here are of documents: tokens of one document are not independent.
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
  // One document: the sum of its values, and how many there were (REQUIRES: count >= 0). A document
  // without units is ignored.
  void add(double sum, double count);
  Estimate estimate() const;
  std::int64_t clusters() const { return clusters_; }
  double units() const { return count_; }

 private:
  std::int64_t clusters_ = 0;
  // Sums are kept as differences from the first document's mean: squares of raw sums would cancel.
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
  // sums: one per quantity; count: the units of this document, the same for each quantity. The
  // weights follow from the seed and the document's place in the order alone. REQUIRES: sums.size()
  // == quantities.
  void add(const std::vector<double>& sums, double count);
  // [replicates][quantities] means; a replicate that drew no unit is left out.
  std::vector<std::vector<double>> means() const;

 private:
  std::int64_t quantities_;
  std::uint64_t seed_;
  std::int64_t documents_ = 0;
  std::vector<std::vector<double>> sums_;
  std::vector<double> counts_;
};

// How many standard errors a two-sided 95 % interval of a normal reaches on either side.
constexpr double kNormal95 = 1.959963984540054;

// Helpers for small samples.
double mean(const std::vector<double>& values);  // NaN if empty
double median(std::vector<double> values);       // REQUIRES: not empty
double quantile(std::vector<double> values,
    double share);  // linear interpolation. REQUIRES: not empty
double standard_deviation(const std::vector<double>& values);  // n−1; NaN below two values

}  // namespace salf::core
