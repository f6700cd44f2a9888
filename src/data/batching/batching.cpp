#include "data/batching/batching.h"

#include <ATen/ops/full.h>

#include <algorithm>
#include <numeric>

#include "core/error.h"
#include "core/random.h"

namespace salf::data {
namespace {

std::size_t place(std::int64_t value) { return static_cast<std::size_t>(value); }

[[noreturn]] void refuse_long(
    const std::string& what, std::int64_t limit, const std::string& advice) {
  throw Error(ErrorKind::kBadInput, what + " does not fit into a batch of --batch-tokens " +
                                        std::to_string(limit) + "; " + advice);
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
    if (options_.pack > options_.batch_tokens) {
      refuse_long("a packed block of --pack " + std::to_string(options_.pack) + " tokens",
          options_.batch_tokens, "lower --pack or raise --batch-tokens");
    }
    for (std::int64_t begin = 0; begin < total; begin += options_.pack) {
      lengths_.push_back(std::min(options_.pack, total - begin));
    }
  } else if (longest_row() > options_.batch_tokens) {
    const auto longest = std::max_element(lengths_.begin(), lengths_.end()) - lengths_.begin();
    const std::string tokens = std::to_string(longest_row());
    refuse_long("the longest document (row " +
                    std::to_string(dataset_.documents[place(documents_[place(longest)])].line) +
                    " of the data) has " + tokens + " tokens and",
        options_.batch_tokens,
        "raise --batch-tokens to at least " + tokens +
            ", cut documents with --max-length, or join them with --pack");
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

// Writes a row's tokens into line `b` of the batch.
void Batcher::write(std::int64_t row, std::int64_t b, tensor::Batch& batch) const {
  const std::int64_t begin = options_.pack > 0 ? row * options_.pack : first_token_[place(row)];
  const std::int64_t end = begin + lengths_[place(row)];
  // The last document that begins at or before `begin`; documents are never empty.
  auto k =
      std::upper_bound(first_token_.begin(), first_token_.end(), begin) - first_token_.begin() - 1;
  std::int64_t to = b * batch.length();
  for (std::int64_t at = begin; at < end; ++k) {
    const std::int64_t number = documents_[place(k)];
    const Document& document = dataset_.documents[place(number)];
    const std::int64_t from = at - first_token_[place(k)];
    const std::int64_t count =
        std::min(static_cast<std::int64_t>(document.ids.size()), end - first_token_[place(k)]) -
        from;
    std::copy_n(
        document.ids.begin() + from, count, batch.ids.mutable_data_ptr<std::int64_t>() + to);
    std::copy_n(
        document.labels.begin() + from, count, batch.labels.mutable_data_ptr<std::int64_t>() + to);
    std::fill_n(batch.documents.mutable_data_ptr<std::int64_t>() + to, count, number);
    at += count;
    to += count;
  }
}

tensor::Batch Batcher::make(const BatchPlan& plan) const {
  const auto count = static_cast<std::int64_t>(plan.rows.size());
  const auto filled = [&](std::int64_t value) {  // [B, T] i64
    return at::full({count, plan.length}, value, at::TensorOptions(at::kLong));
  };
  tensor::Batch batch;
  batch.ids = filled(padding_id_);
  batch.labels = filled(tensor::kNoLabel);
  batch.documents = filled(-1);
  for (std::int64_t b = 0; b < count; ++b) {
    write(plan.rows[place(b)], b, batch);
    batch.real_tokens += row_length(plan.rows[place(b)]);
  }
  batch.supervised_tokens = batch.labels.ne(tensor::kNoLabel).sum().item<std::int64_t>();
  if (batch.real_tokens < batch.padded_tokens()) batch.mask = batch.documents.ge(0).to(at::kLong);
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
    total += count_labels(dataset_.documents[place(index)]);
  }
  return total;
}

std::int64_t Batcher::longest_row() const {
  return lengths_.empty() ? 0 : *std::max_element(lengths_.begin(), lengths_.end());
}

}  // namespace salf::data
