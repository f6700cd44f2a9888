// Means of one measure over the spaces, as documents come in.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

#include "calibration/calibrate.h"
#include "core/statistics.h"
#include "types/layer_profile.h"

namespace salf::calibration {

class DeviationSums {
 public:
  DeviationSums(types::Measure measure, std::int64_t blocks, const CalibrationSetting& setting);

  // values: [L+1, n] f64. row: the document of each column, ascending. keep: the columns that
  // count; empty: all.
  void add(const at::Tensor& values, const std::vector<std::int64_t>& row,
      const std::vector<bool>& keep = {});

  std::int64_t documents() const { return spaces_.front().clusters(); }
  std::int64_t positions() const { return static_cast<std::int64_t>(spaces_.front().units()); }
  double deviation(std::size_t space) const { return spaces_[space].estimate().mean; }
  types::Deviation result() const;

 private:
  void add_document(const std::vector<double>& sums, double count);

  types::Measure measure_;
  std::vector<core::ClusteredMean> spaces_;
  std::vector<core::ClusteredMean> gains_;
  core::PoissonBootstrap bootstrap_;
};

}  // namespace salf::calibration
