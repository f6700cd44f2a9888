#include "data/batching/batching.h"

#include <ATen/ops/empty.h>
#include <ATen/ops/full.h>

#include <algorithm>
#include <map>
#include <numeric>
#include <utility>

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
  std::vector<Piece> pieces;
  for (const std::int64_t index : documents_) {
    const auto length = static_cast<std::int64_t>(dataset_.documents.at(place(index)).ids.size());
    const std::int64_t most = options_.pack > 0 ? options_.pack : length;
    for (std::int64_t from = 0; from < length; from += most)
      pieces.push_back({index, from, std::min(most, length - from)});
  }
  if (options_.pack > 0) {
    pack(std::move(pieces));
  } else {
    for (const Piece& piece : pieces) rows_.push_back({piece});
  }
  for (const Row& row : rows_) {
    lengths_.push_back(std::accumulate(row.begin(), row.end(), std::int64_t{0},
        [](std::int64_t sum, const Piece& piece) { return sum + piece.tokens; }));
  }
  check_fits();
}

// Best-fit decreasing, as in Johnson 1973, "Near-optimal bin packing algorithms".
void Batcher::pack(std::vector<Piece> pieces) {
  std::stable_sort(pieces.begin(), pieces.end(),
      [](const Piece& a, const Piece& b) { return a.tokens > b.tokens; });
  std::multimap<std::int64_t, std::size_t> rooms;  // free tokens → row
  for (const Piece& piece : pieces) {
    const auto found = rooms.lower_bound(piece.tokens);
    const bool fits = found != rooms.end();
    const std::size_t row = fits ? found->second : rows_.size();
    const std::int64_t room = (fits ? found->first : options_.pack) - piece.tokens;
    if (fits) {
      rooms.erase(found);
    } else {
      rows_.emplace_back();
    }
    rows_[row].push_back(piece);
    if (room > 0) rooms.emplace(room, row);
  }
}

void Batcher::check_fits() const {
  if (options_.pack > options_.tokens()) {
    refuse_long("a packed block of --pack " + std::to_string(options_.pack) + " tokens",
        options_.tokens(), "lower --pack or raise --batch-tokens");
  }
  if (options_.pack > 0 || longest_row() <= options_.tokens()) return;
  const auto longest = std::max_element(lengths_.begin(), lengths_.end()) - lengths_.begin();
  const std::string tokens = std::to_string(longest_row());
  const std::int64_t document = rows_[place(longest)].front().document;
  refuse_long("the longest document (row " +
                  std::to_string(dataset_.documents[place(document)].line) + " of the data) has " +
                  tokens + " tokens and",
      options_.tokens(),
      "raise --batch-tokens to at least " + tokens +
          ", cut documents with --max-length, or divide and join them with --pack");
}

void Batcher::deal(std::int64_t shards) {
  if (rows() < shards) {
    throw Error(ErrorKind::kUsage, "the training split has " + std::to_string(rows()) +
                                       " rows, too few for " + std::to_string(shards) +
                                       " ranks; start fewer, or give more data");
  }
  shards_ = shards;
  shard_of_.clear();
  if (shards == 1) return;
  std::vector<std::int64_t> order(lengths_.size());
  std::iota(order.begin(), order.end(), std::int64_t{0});
  order = by_length(std::move(order));
  shard_of_.resize(lengths_.size());
  for (std::size_t i = 0; i < order.size(); ++i) {
    // There and back, so that no shard always has the longest.
    const auto stripe = static_cast<std::int64_t>(i) / shards;
    const auto within = static_cast<std::int64_t>(i) % shards;
    shard_of_[place(order[i])] = stripe % 2 == 0 ? within : shards - 1 - within;
  }
}

std::vector<BatchPlan> Batcher::epoch(std::uint64_t seed, std::int64_t epoch) const {
  core::Random random(seed, "batches/" + std::to_string(epoch));
  std::vector<BatchPlan> sorted = fill(core::permutation(rows(), random), shards_);
  std::vector<BatchPlan> shuffled;
  shuffled.reserve(sorted.size());
  for (const std::int64_t index :
      core::permutation(static_cast<std::int64_t>(sorted.size()) / shards_, random)) {
    for (std::int64_t shard = 0; shard < shards_; ++shard)
      shuffled.push_back(std::move(sorted[place(index * shards_ + shard)]));
  }
  return shuffled;
}

std::vector<BatchPlan> Batcher::in_order() const {
  std::vector<std::int64_t> order(lengths_.size());
  std::iota(order.begin(), order.end(), std::int64_t{0});
  return fill(std::move(order), 1);
}

std::vector<std::int64_t> Batcher::by_length(std::vector<std::int64_t> order) const {
  std::stable_sort(order.begin(), order.end(),
      [this](std::int64_t a, std::int64_t b) { return lengths_[place(a)] < lengths_[place(b)]; });
  return order;
}

// Fills batches from the shortest row on, of all shards at once.
std::vector<BatchPlan> Batcher::fill(std::vector<std::int64_t> order, std::int64_t shards) const {
  std::vector<std::vector<std::int64_t>> sorted(place(shards));
  for (const std::int64_t row : by_length(std::move(order)))
    sorted[shards == 1 ? 0 : place(shard_of_[place(row)])].push_back(row);
  std::size_t most = 0;
  for (const auto& rows_of_shard : sorted) most = std::max(most, rows_of_shard.size());
  std::vector<BatchPlan> plans;
  std::int64_t in_batch = 0;
  for (std::size_t i = 0; i < most; ++i) {
    std::int64_t length = 0;
    for (const auto& rows_of_shard : sorted) {
      if (i < rows_of_shard.size()) length = std::max(length, lengths_[place(rows_of_shard[i])]);
    }
    // Each row is the longest so far, so the batch is padded to it.
    const bool fits = !plans.empty() && (in_batch + 1) * length <= options_.tokens();
    if (!fits) {
      plans.resize(plans.size() + place(shards));
      in_batch = 0;
    }
    ++in_batch;
    for (std::size_t shard = 0; shard < sorted.size(); ++shard) {
      if (i >= sorted[shard].size()) continue;
      BatchPlan& plan = plans[plans.size() - sorted.size() + shard];
      plan.rows.push_back(sorted[shard][i]);
      plan.length = lengths_[place(sorted[shard][i])];
    }
  }
  return plans;
}

// Writes a row's tokens into line `b` of the batch.
void Batcher::write(const Row& row, std::int64_t b, tensor::Batch& batch) const {
  std::int64_t to = b * batch.length();
  for (const Piece& piece : row) {
    const Document& document = dataset_.documents[place(piece.document)];
    const auto copy = [&](const std::vector<std::int64_t>& from, const at::Tensor& matrix) {
      std::copy_n(
          from.begin() + piece.from, piece.tokens, matrix.mutable_data_ptr<std::int64_t>() + to);
    };
    copy(document.ids, batch.ids);
    copy(document.labels, batch.labels);
    std::fill_n(
        batch.documents.mutable_data_ptr<std::int64_t>() + to, piece.tokens, piece.document);
    to += piece.tokens;
  }
}

// As in tensor::Batch; undefined where each row is one piece.
at::Tensor Batcher::segments(const BatchPlan& plan) const {
  std::vector<std::int64_t> begin;
  std::int64_t row_begin = 0;
  for (const std::int64_t row : plan.rows) {
    std::int64_t next = row_begin;
    for (const Piece& piece : rows_[place(row)]) {
      begin.push_back(next);
      next += piece.tokens;
    }
    row_begin += plan.length;
  }
  if (begin.size() == plan.rows.size()) return {};
  begin.push_back(row_begin);
  const auto count = static_cast<std::int64_t>(begin.size());
  at::Tensor made = at::empty({count}, at::TensorOptions(at::kLong));
  std::copy(begin.begin(), begin.end(), made.mutable_data_ptr<std::int64_t>());
  return made;
}

std::int64_t Batcher::attention_pairs(const BatchPlan& plan) const {
  std::int64_t pairs = 0;
  for (const std::int64_t row : plan.rows) {
    std::int64_t padding = plan.length - lengths_[place(row)];
    const Row& pieces = rows_[place(row)];
    for (auto piece = pieces.rbegin(); piece != pieces.rend(); ++piece) {
      const std::int64_t tokens = piece->tokens + std::exchange(padding, 0);
      pairs += tokens * tokens;
    }
  }
  return pairs;
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
    write(rows_[place(plan.rows[place(b)])], b, batch);
    batch.real_tokens += row_length(plan.rows[place(b)]);
  }
  batch.supervised_tokens = batch.labels.ne(tensor::kNoLabel).sum().item<std::int64_t>();
  if (batch.real_tokens < batch.padded_tokens()) batch.mask = batch.documents.ge(0).to(at::kLong);
  batch.segments = segments(plan);
  batch.source_rows = plan.rows;
  return batch;
}

std::int64_t Batcher::row_length(std::int64_t row) const { return lengths_.at(place(row)); }

std::int64_t Batcher::real_tokens(const BatchPlan& plan) const {
  std::int64_t total = 0;
  for (const std::int64_t row : plan.rows) total += row_length(row);
  return total;
}

std::int64_t Batcher::supervised_tokens(const BatchPlan& plan) const {
  std::int64_t total = 0;
  for (const std::int64_t row : plan.rows) {
    for (const Piece& piece : rows_[place(row)]) {
      const auto from = dataset_.documents[place(piece.document)].labels.begin() + piece.from;
      total += piece.tokens - std::count(from, from + piece.tokens, tensor::kNoLabel);
    }
  }
  return total;
}

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
