#include "data/batching/batching.h"

#include <ATen/core/Tensor.h>
#include <ATen/ops/full.h>

#include <algorithm>
#include <numeric>
#include <string>
#include <utility>

#include "core/error.h"
#include "core/random.h"

namespace salf::data {
namespace {

std::size_t place(std::int64_t value) { return static_cast<std::size_t>(value); }

[[noreturn]] void throw_block_too_long(const BatchOptions& options) {
  throw Error(ErrorKind::kBadInput, "a packed block of --pack " + std::to_string(options.pack) +
                                        " tokens does not fit into a batch of --batch-tokens " +
                                        std::to_string(options.batch_tokens) +
                                        "; lower --pack or raise --batch-tokens");
}

[[noreturn]] void throw_document_too_long(const Document& document, const BatchOptions& options) {
  const std::string tokens = std::to_string(document.ids.size());
  throw Error(ErrorKind::kBadInput,
      "the longest document (row " + std::to_string(document.line) + " of the data) has " + tokens +
          " tokens and does not fit into a batch of --batch-tokens " +
          std::to_string(options.batch_tokens) + "; raise --batch-tokens to at least " + tokens +
          ", cut documents with --max-length, or join them with --pack");
}

at::Tensor filled_matrix(std::int64_t rows, std::int64_t length, std::int64_t value) {
  return at::full({rows, length}, value, at::TensorOptions(at::kLong));
}

void copy_row(const std::vector<std::int64_t>& from, std::size_t row, at::Tensor& matrix) {
  std::copy(from.begin(), from.end(),
      matrix.mutable_data_ptr<std::int64_t>() + row * place(matrix.size(1)));
}

}  // namespace

Batcher::Batcher(const Dataset& dataset, std::vector<std::int64_t> documents, BatchOptions options,
    std::int64_t padding_id)
    : dataset_(dataset), documents_(std::move(documents)), options_(options),
      padding_id_(padding_id) {
  std::int64_t total = 0;
  for (const std::int64_t index : documents_) {
    const auto length = static_cast<std::int64_t>(dataset_.documents.at(place(index)).ids.size());
    first_token_.push_back(total);
    total += length;
    if (options_.pack == 0) lengths_.push_back(length);
  }
  if (options_.pack > 0) {
    if (options_.pack > options_.batch_tokens) throw_block_too_long(options_);
    for (std::int64_t begin = 0; begin < total; begin += options_.pack) {
      lengths_.push_back(std::min(options_.pack, total - begin));
    }
  } else if (longest_row() > options_.batch_tokens) {
    const auto longest = std::max_element(lengths_.begin(), lengths_.end()) - lengths_.begin();
    throw_document_too_long(dataset_.documents[place(documents_[place(longest)])], options_);
  }
}

std::vector<BatchPlan> Batcher::epoch(std::uint64_t seed, std::int64_t epoch) const {
  core::Random random(seed, "batches/" + std::to_string(epoch));
  std::vector<BatchPlan> sorted = fill(core::permutation(rows(), random));
  std::vector<BatchPlan> shuffled;
  shuffled.reserve(sorted.size());
  for (const std::int64_t index :
      core::permutation(static_cast<std::int64_t>(sorted.size()), random)) {
    shuffled.push_back(std::move(sorted[place(index)]));
  }
  return shuffled;
}

std::vector<BatchPlan> Batcher::in_order() const {
  std::vector<std::int64_t> order(lengths_.size());
  std::iota(order.begin(), order.end(), std::int64_t{0});
  return fill(std::move(order));
}

// Sorts by length, equal lengths as they stand in `order`, and fills batches from the shortest on.
std::vector<BatchPlan> Batcher::fill(std::vector<std::int64_t> order) const {
  std::stable_sort(order.begin(), order.end(),
      [this](std::int64_t a, std::int64_t b) { return lengths_[place(a)] < lengths_[place(b)]; });
  std::vector<BatchPlan> plans;
  for (const std::int64_t index : order) {
    const std::int64_t length = lengths_[place(index)];
    // Each row is the longest so far, so the batch is padded to it.
    const bool fits =
        !plans.empty() &&
        (static_cast<std::int64_t>(plans.back().rows.size()) + 1) * length <= options_.batch_tokens;
    if (!fits) plans.emplace_back();
    plans.back().rows.push_back(index);
    plans.back().length = length;
  }
  return plans;
}

Batcher::Row Batcher::row(std::int64_t index) const {
  Row result;
  const std::int64_t length = lengths_[place(index)];
  const std::int64_t begin = options_.pack > 0 ? index * options_.pack : first_token_[place(index)];
  const std::int64_t end = begin + length;
  // The last document that begins at or before `begin`; documents are never empty.
  auto k =
      std::upper_bound(first_token_.begin(), first_token_.end(), begin) - first_token_.begin() - 1;
  for (std::int64_t at = begin; at < end; ++k) {
    const std::int64_t number = documents_[place(k)];
    const Document& document = dataset_.documents[place(number)];
    const std::int64_t from = at - first_token_[place(k)];
    const std::int64_t to =
        std::min(static_cast<std::int64_t>(document.ids.size()), end - first_token_[place(k)]);
    result.ids.insert(result.ids.end(), document.ids.begin() + from, document.ids.begin() + to);
    result.labels.insert(
        result.labels.end(), document.labels.begin() + from, document.labels.begin() + to);
    result.documents.insert(result.documents.end(), place(to - from), number);
    at += to - from;
  }
  return result;
}

tensor::Batch Batcher::make(const BatchPlan& plan) const {
  const auto count = static_cast<std::int64_t>(plan.rows.size());
  tensor::Batch batch;
  batch.ids = filled_matrix(count, plan.length, padding_id_);          // [B, T] i64
  batch.labels = filled_matrix(count, plan.length, tensor::kNoLabel);  // [B, T] i64
  batch.documents = filled_matrix(count, plan.length, -1);             // [B, T] i64
  at::Tensor mask = filled_matrix(count, plan.length, 0);              // [B, T] i64
  for (std::size_t b = 0; b < plan.rows.size(); ++b) {
    const Row content = row(plan.rows[b]);
    copy_row(content.ids, b, batch.ids);
    copy_row(content.labels, b, batch.labels);
    copy_row(content.documents, b, batch.documents);
    copy_row(std::vector<std::int64_t>(content.ids.size(), 1), b, mask);
    batch.real_tokens += static_cast<std::int64_t>(content.ids.size());
    batch.supervised_tokens += std::count_if(content.labels.begin(), content.labels.end(),
        [](std::int64_t label) { return label != tensor::kNoLabel; });
  }
  if (batch.real_tokens < batch.padded_tokens()) batch.mask = mask;
  batch.source_rows = plan.rows;
  return batch;
}

std::int64_t Batcher::row_length(std::int64_t row) const { return lengths_.at(place(row)); }

std::int64_t Batcher::rows() const { return static_cast<std::int64_t>(lengths_.size()); }

std::int64_t Batcher::real_tokens() const {
  return std::accumulate(lengths_.begin(), lengths_.end(), std::int64_t{0});
}

std::int64_t Batcher::supervised_tokens() const {
  std::int64_t total = 0;
  for (const std::int64_t index : documents_) {
    const auto& labels = dataset_.documents[place(index)].labels;
    total += std::count_if(
        labels.begin(), labels.end(), [](std::int64_t label) { return label != tensor::kNoLabel; });
  }
  return total;
}

std::int64_t Batcher::longest_row() const {
  return lengths_.empty() ? 0 : *std::max_element(lengths_.begin(), lengths_.end());
}

}  // namespace salf::data
