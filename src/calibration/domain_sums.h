// Parts of a sample that are measured too: the positions of a domain vocabulary, and the documents
// of each domain.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <optional>
#include <vector>

#include "calibration/deviation.h"
#include "calibration/deviation_sums.h"
#include "data/rows/dataset.h"
#include "tensor/batch.h"
#include "types/layer_profile.h"

namespace salf::calibration {

// Costs nothing where there is no vocabulary and no domain.
class DomainSums {
 public:
  // drawn: the documents that may be measured. Throws Error(kBadInput) when too few of their
  // positions have a label of the vocabulary.
  DomainSums(const data::Dataset& dataset, const std::vector<std::int64_t>& drawn,
      std::int64_t blocks, const CalibrationOptions& options, const CalibrationSetting& setting);

  // cosine: [L+1, N] f64 of the batch's positions.
  void add_cosine(
      const at::Tensor& cosine, const tensor::Batch& batch, const BatchPositions& positions);
  // loss: [L+1, M] f64 of the sampled positions; rows: their rows.
  void add_loss(const at::Tensor& loss, const BatchPositions& positions,
      const std::vector<std::int64_t>& rows);

  void fill(types::LayerProfile& profile) const;
  // Throws Error(kBadInput) when what was measured has too few positions of the vocabulary.
  void check_measured() const;

 private:
  struct Domain {
    std::int64_t index = 0;
    DeviationSums cosine;
  };
  std::vector<bool> in_vocabulary(const at::Tensor& labels) const;
  bool has_label(std::int64_t label) const;
  void choose_domains(const std::vector<std::int64_t>& drawn, std::int64_t blocks,
      const CalibrationSetting& setting);
  void check_sample(const std::vector<std::int64_t>& drawn, Positions positions) const;

  const data::Dataset& dataset_;
  std::vector<bool> vocabulary_;  // by id; empty without a vocabulary
  std::optional<DeviationSums> cosine_, loss_;
  std::vector<Domain> domains_;
  std::int64_t other_domains_ = 0, unnamed_ = 0;
};

}  // namespace salf::calibration
