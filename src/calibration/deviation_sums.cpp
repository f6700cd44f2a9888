#include "calibration/deviation_sums.h"

namespace salf::calibration {

DeviationSums::DeviationSums(
    types::Measure measure, std::int64_t blocks, const CalibrationSetting& setting)
    : measure_(measure), spaces_(static_cast<std::size_t>(blocks + 1)),
      gains_(static_cast<std::size_t>(blocks)),
      bootstrap_(setting.bootstrap_replicates, blocks + 1, setting.seed) {}

void DeviationSums::add(
    const at::Tensor& values, const std::vector<std::int64_t>& row, const std::vector<bool>& keep) {
  const at::Tensor columns = values.contiguous();
  const double* data = columns.const_data_ptr<double>();
  const std::size_t width = row.size();
  for (std::size_t first = 0; first < width;) {
    std::vector<std::size_t> kept;
    std::size_t end = first;
    for (; end < width && row[end] == row[first]; ++end) {
      if (keep.empty() || keep[end]) kept.push_back(end);
    }
    first = end;
    if (kept.empty()) continue;
    std::vector<double> sums(spaces_.size(), 0.0);
    for (std::size_t space = 0; space < sums.size(); ++space) {
      for (const std::size_t i : kept) sums[space] += data[space * width + i];
    }
    add_document(sums, static_cast<double>(kept.size()));
  }
}

types::Deviation DeviationSums::result() const {
  types::Deviation result;
  result.measure = measure_;
  result.documents = documents();
  result.positions = positions();
  for (const auto& space : spaces_) {
    result.deviation.push_back(space.estimate().mean);
    result.standard_error.push_back(space.estimate().standard_error);
  }
  for (const auto& gain : gains_) {
    result.gain.push_back(gain.estimate().mean);
    result.gain_error.push_back(gain.estimate().standard_error);
  }
  result.replicates = bootstrap_.means();
  return result;
}

void DeviationSums::add_document(const std::vector<double>& sums, double count) {
  for (std::size_t space = 0; space < sums.size(); ++space) spaces_[space].add(sums[space], count);
  for (std::size_t block = 0; block < gains_.size(); ++block) {
    gains_[block].add(sums[block] - sums[block + 1], count);
  }
  bootstrap_.add(sums, count);
}

}  // namespace salf::calibration
