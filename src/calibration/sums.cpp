#include "calibration/sums.h"

#include <algorithm>
#include <cstring>
#include <map>

#include "core/text.h"
#include "data/bad_input.h"
#include "distributed/group.h"

namespace salf::calibration {
namespace {

std::size_t place(std::int64_t index) { return static_cast<std::size_t>(index); }

[[noreturn]] void throw_too_few(
    std::int64_t positions, std::int64_t documents, const std::string& what) {
  data::refuse("--basis-vocabulary",
      "only " + core::format_count(positions) + " positions of " + core::format_count(documents) +
          " documents " + what + " have a label of the domain vocabulary, expected at least " +
          std::to_string(kFewestVocabularyPositions) + " of " +
          std::to_string(kFewestDomainDocuments) +
          " documents; name more words, measure more documents (--documents, "
          "--max-documents), or leave the option out");
}

constexpr std::vector<DocumentSum> BatchSums::*kLists[] = {&BatchSums::cosine, &BatchSums::loss,
    &BatchSums::before, &BatchSums::vocabulary_cosine, &BatchSums::vocabulary_loss};

void write(const BatchSums& sums, std::vector<double>& numbers) {
  numbers.push_back(static_cast<double>(sums.tokens));
  for (const auto list : kLists) {
    numbers.push_back(static_cast<double>((sums.*list).size()));
    for (const DocumentSum& document : sums.*list) {
      numbers.push_back(static_cast<double>(document.document));
      numbers.push_back(document.count);
      numbers.push_back(static_cast<double>(document.sums.size()));
      numbers.insert(numbers.end(), document.sums.begin(), document.sums.end());
    }
  }
}

// REQUIRES: what write() gave
BatchSums read(const std::vector<double>& numbers) {
  auto next = numbers.begin();
  const auto whole = [&next] { return static_cast<std::int64_t>(*next++); };
  BatchSums sums;
  sums.tokens = whole();
  for (const auto list : kLists) {
    (sums.*list).resize(place(whole()));
    for (DocumentSum& document : sums.*list) {
      document.document = whole();
      document.count = *next++;
      const std::int64_t spaces = whole();
      document.sums.assign(next, next + spaces);
      next += spaces;
    }
  }
  return sums;
}

}  // namespace

std::vector<DocumentSum> document_sums(const at::Tensor& values, const tensor::Batch& batch,
    const std::vector<std::int64_t>& row, const std::vector<bool>& keep) {
  const at::Tensor columns = values.contiguous(), numbers = batch.documents.contiguous();
  const double* data = columns.const_data_ptr<double>();
  const std::int64_t* documents = numbers.const_data_ptr<std::int64_t>();
  const auto spaces = static_cast<std::size_t>(columns.size(0));
  const std::size_t width = row.size();
  std::vector<DocumentSum> all;
  for (std::size_t first = 0, end = 0; first < width; first = end) {
    std::vector<std::size_t> kept;
    for (end = first; end < width && row[end] == row[first]; ++end) {
      if (keep.empty() || keep[end]) kept.push_back(end);
    }
    if (kept.empty()) continue;
    DocumentSum document{documents[row[first] * batch.length()], static_cast<double>(kept.size()),
        std::vector<double>(spaces, 0.0)};
    for (std::size_t space = 0; space < spaces; ++space) {
      for (const std::size_t i : kept) document.sums[space] += data[space * width + i];
    }
    all.push_back(std::move(document));
  }
  return all;
}

std::vector<BatchSums> gather(distributed::Group* ranks, BatchSums own) {
  if (ranks == nullptr) return {std::move(own)};
  std::vector<double> numbers;
  write(own, numbers);
  std::vector<BatchSums> all;
  for (const std::string& bytes : ranks->all_gather(std::string(
           reinterpret_cast<const char*>(numbers.data()), numbers.size() * sizeof(double)))) {
    numbers.resize(bytes.size() / sizeof(double));
    std::memcpy(numbers.data(), bytes.data(), bytes.size());
    all.push_back(read(numbers));
  }
  return all;
}

DeviationSums::DeviationSums(
    types::Measure measure, std::int64_t blocks, const CalibrationSetting& setting)
    : measure_(measure), spaces_(static_cast<std::size_t>(blocks + 1)),
      gains_(static_cast<std::size_t>(blocks)),
      bootstrap_(setting.bootstrap_replicates, blocks + 1, setting.seed) {}

void DeviationSums::add(const DocumentSum& document) {
  const std::vector<double>& sums = document.sums;
  for (std::size_t i = 0; i < spaces_.size(); ++i) spaces_[i].add(sums[i], document.count);
  for (std::size_t i = 0; i < gains_.size(); ++i)
    gains_[i].add(sums[i] - sums[i + 1], document.count);
  bootstrap_.add(sums, document.count);
}

void DeviationSums::add(const std::vector<DocumentSum>& documents) {
  for (const DocumentSum& document : documents) add(document);
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

DomainSums::DomainSums(const data::Dataset& dataset, const std::vector<std::int64_t>& drawn,
    std::int64_t blocks, const CalibrationOptions& options, const CalibrationSetting& setting)
    : dataset_(dataset) {
  choose_domains(drawn, blocks, setting);
  if (!setting.vocabulary) return;
  for (const std::int64_t id : *setting.vocabulary) {
    if (place(id) >= vocabulary_.size()) vocabulary_.resize(place(id) + 1, false);
    vocabulary_[place(id)] = true;
  }
  cosine_.emplace(types::Measure::kCosine, blocks, setting);
  loss_.emplace(types::Measure::kLoss, blocks, setting);
  check_sample(drawn, options.positions);
}

bool DomainSums::has_label(std::int64_t label) const {
  return label >= 0 && place(label) < vocabulary_.size() && vocabulary_[place(label)];
}

void DomainSums::check_sample(const std::vector<std::int64_t>& drawn, Positions positions) const {
  std::int64_t found = 0, documents = 0;
  for (const std::int64_t index : drawn) {
    std::int64_t here = 0;
    for (const std::int64_t label : dataset_.documents[place(index)].labels) {
      if (label == tensor::kNoLabel) continue;
      here += has_label(label) ? 1 : 0;
      if (positions == Positions::kLast) break;
    }
    found += here;
    documents += here > 0 ? 1 : 0;
  }
  if (found < kFewestVocabularyPositions || documents < kFewestDomainDocuments)
    throw_too_few(found, documents, "of the sample");
}

void DomainSums::choose_domains(const std::vector<std::int64_t>& drawn, std::int64_t blocks,
    const CalibrationSetting& setting) {
  std::map<std::int64_t, std::int64_t> counts;
  for (const std::int64_t index : drawn) {
    const std::int64_t domain = dataset_.documents[place(index)].domain;
    if (domain >= 0) ++counts[domain];
  }
  std::vector<std::pair<std::int64_t, std::int64_t>> order;  // the most documents first
  for (const auto& [domain, count] : counts) order.emplace_back(-count, domain);
  std::sort(order.begin(), order.end());
  for (const auto& [count, domain] : order) {
    if (domains_.size() == kMostDomains || -count < kFewestDomainDocuments) break;
    domains_.push_back({domain, DeviationSums(types::Measure::kCosine, blocks, setting)});
  }
  other_domains_ = static_cast<std::int64_t>(dataset_.domains.size() - domains_.size());
}

std::vector<bool> DomainSums::in_vocabulary(const at::Tensor& labels) const {
  const at::Tensor ids = labels.contiguous();  // [N] i64
  const std::int64_t* data = ids.const_data_ptr<std::int64_t>();
  std::vector<bool> keep(place(ids.numel()));
  for (std::size_t i = 0; i < keep.size(); ++i) keep[i] = has_label(data[i]);
  return keep;
}

void DomainSums::sum_cosine(const at::Tensor& cosine, const tensor::Batch& batch,
    const BatchPositions& positions, BatchSums& sums) const {
  if (!cosine_) return;
  sums.vocabulary_cosine =
      document_sums(cosine, batch, positions.row, in_vocabulary(positions.labels));
}

void DomainSums::sum_loss(const at::Tensor& loss, const tensor::Batch& batch,
    const BatchPositions& positions, const std::vector<std::int64_t>& rows, BatchSums& sums) const {
  if (!loss_) return;
  const std::vector<bool> all = in_vocabulary(positions.labels);
  std::vector<bool> keep;
  for (const std::int64_t i : positions.sampled) keep.push_back(all[place(i)]);
  sums.vocabulary_loss = document_sums(loss, batch, rows, keep);
}

void DomainSums::add(const BatchSums& sums) {
  if (cosine_) cosine_->add(sums.vocabulary_cosine);
  if (loss_) loss_->add(sums.vocabulary_loss);
  if (dataset_.domains.empty()) return;
  for (const DocumentSum& document : sums.cosine) {
    const std::int64_t index = dataset_.documents[place(document.document)].domain;
    if (index < 0) ++unnamed_;
    for (Domain& domain : domains_) {
      if (domain.index == index) domain.cosine.add(document);
    }
  }
}

void DomainSums::fill(types::LayerProfile& profile) const {
  if (cosine_) {
    profile.vocabulary.emplace();
    if (cosine_->documents() > 0) profile.vocabulary->deviations.push_back(cosine_->result());
    if (loss_->documents() > 1) profile.vocabulary->deviations.push_back(loss_->result());
  }
  if (dataset_.domains.empty()) return;
  types::DomainTable& table = profile.domains.emplace();
  table.others = other_domains_;
  table.unnamed_documents = unnamed_;
  for (const Domain& domain : domains_) {
    if (domain.cosine.documents() < kFewestDomainDocuments) {
      ++table.others;
    } else {
      table.domains.push_back({dataset_.domains[place(domain.index)], domain.cosine.result(), {}});
    }
  }
}

void DomainSums::check_measured() const {
  if (!cosine_) return;
  const bool few = cosine_->positions() < kFewestVocabularyPositions ||
                   cosine_->documents() < kFewestDomainDocuments;
  if (few) throw_too_few(cosine_->positions(), cosine_->documents(), "of those that were measured");
}

}  // namespace salf::calibration
