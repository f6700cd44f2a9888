// What calibrate() makes of each batch: means over documents, of all and of parts of the sample,
// and token maps.
#pragma once

#include "calibration/calibrate.h"
#include "core/statistics.h"
#include "data/batching/batching.h"

namespace salf::calibration {

// The values of a document at its positions, summed.
struct DocumentSum {
  std::int64_t document = 0;  // index in the dataset
  double count = 0.0;         // of the positions
  std::vector<double> sums;   // by space
};

// values: [S, n] f64. row: the batch's row of each column, ascending. keep: the columns that count;
// empty: all. Rows without such a column are left out.
std::vector<DocumentSum> document_sums(const at::Tensor& values, const tensor::Batch& batch,
    const std::vector<std::int64_t>& row, const std::vector<bool>& keep = {});

// What a batch adds: everything that a rank has to tell the others of it.
struct BatchSums {
  std::int64_t tokens = 0;
  std::vector<DocumentSum> cosine, loss;
  std::vector<DocumentSum> before;  // of the model's own loss, which has one space
  // At the positions whose label is of the domain vocabulary.
  std::vector<DocumentSum> vocabulary_cosine, vocabulary_loss;
};

// Of all ranks, by rank. `ranks`: null of one process.
std::vector<BatchSums> gather(distributed::Group* ranks, BatchSums own);

// Means of one measure over the spaces, as documents come in.
class DeviationSums {
 public:
  DeviationSums(types::Measure measure, std::int64_t blocks, const CalibrationSetting& setting);

  void add(const DocumentSum& document);
  void add(const std::vector<DocumentSum>& documents);

  std::int64_t documents() const { return spaces_.front().clusters(); }
  std::int64_t positions() const { return static_cast<std::int64_t>(spaces_.front().units()); }
  double deviation(std::size_t space) const { return spaces_[space].estimate().mean; }
  types::Deviation result() const;

 private:
  types::Measure measure_;
  std::vector<core::ClusteredMean> spaces_;
  std::vector<core::ClusteredMean> gains_;
  core::PoissonBootstrap bootstrap_;
};

// Parts of a sample that are measured too: the positions of a domain vocabulary, and the documents
// of each domain. Costs nothing where there is neither.
class DomainSums {
 public:
  // drawn: the documents that may be measured. Throws Error(kBadInput) when too few of their
  // positions have a label of the vocabulary.
  DomainSums(const data::Dataset& dataset, const std::vector<std::int64_t>& drawn,
      std::int64_t blocks, const CalibrationOptions& options, const CalibrationSetting& setting);

  // Sets those of the vocabulary, if there is one. cosine: [L+1, N] f64 of the batch's positions.
  void sum_cosine(const at::Tensor& cosine, const tensor::Batch& batch,
      const BatchPositions& positions, BatchSums& sums) const;
  // loss: [L+1, M] f64 of the sampled positions; rows: their rows.
  void sum_loss(const at::Tensor& loss, const tensor::Batch& batch, const BatchPositions& positions,
      const std::vector<std::int64_t>& rows, BatchSums& sums) const;
  void add(const BatchSums& sums);

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

// One document as the model sees it, space by space, for a report.
// The document's first supervised positions with a few before them, 32 positions at most. text:
// gives the text of one token. Runs the document through the model once more, alone.
types::TokenMap token_map(const model::GraphCut& graph, const DeviationMeter& meter,
    const data::Dataset& dataset, std::int64_t document, std::int64_t padding_id,
    const std::function<std::string(std::int64_t)>& text);

}  // namespace salf::calibration
