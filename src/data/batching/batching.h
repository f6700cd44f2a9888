// Batches: the rows that share one, their order, and their tensors.
#pragma once

#include <cstdint>
#include <optional>

#include "core/fields.h"
#include "data/rows/dataset.h"
#include "tensor/batch.h"

namespace salf::data {

inline constexpr std::int64_t kUsualBatchTokens = 1024;

struct BatchOptions {
  std::optional<std::int64_t> batch_tokens{};  // padded tokens of a batch at most
  std::int64_t pack = 0;  // >0: documents share rows of at most this many tokens

  std::int64_t tokens() const { return batch_tokens.value_or(kUsualBatchTokens); }

  template <class Self, class Visitor> static void fields(Self& self, Visitor& visit) {
    core::begin_group(visit, "Data");
    visit(Field{"batch_tokens",
              "tokens of a batch at most, padding included; default: 1024, and on a GPU what "
              "train and plan find to fit it"}
              .common()
              .range(1, 1e9),
        self.batch_tokens);
    visit(Field{"pack",
              "join documents, which do not see each other, into blocks of at most this many "
              "tokens; longer documents are divided; 0: rows stay documents"}
              .range(0, 1e7),
        self.pack);
  }
};

// The rows of a batch. A row is a document, or with pack a block.
struct BatchPlan {
  std::vector<std::int64_t> rows;
  std::int64_t length = 0;  // tokens of the longest row

  std::int64_t padded_tokens() const { return static_cast<std::int64_t>(rows.size()) * length; }
};

// Rows of one split, ready to be batched. Keeps a reference to `dataset`, which must outlive it.
class Batcher {
 public:
  // `documents`: indices into dataset.documents. Packed blocks hold whole documents, put together
  // by best-fit decreasing: from the longest on, each goes into the fullest block that has room for
  // it, equal ones in the order given. A document longer than a block is first divided into pieces
  // of a block's length, each of which sees itself only. Labels stay those of the documents.
  // Throws Error(kBadInput) if batch_tokens is smaller than one packed block or the longest
  // document.
  Batcher(const Dataset& dataset, std::vector<std::int64_t> documents, BatchOptions options,
      std::int64_t padding_id);

  // From now on rows belong to `shards` shards, striped by length: to each the same number of rows,
  // or one less, of the same lengths nearly. The batches of epoch() then have rows of one shard
  // each: batch i has those of shard i % shards, and those of i / shards have nearly one shape.
  // Some of the longest may have no rows. Throws Error(kUsage) for fewer rows than shards.
  void deal(std::int64_t shards);
  std::int64_t shards() const { return shards_; }

  // The batches of one epoch. Rows are sorted by length (equal lengths in random order) and filled
  // into batches, and the batches are shuffled. Every row occurs once. (seed, epoch) decide,
  // equally on every machine. All epochs have the same shapes; only rows and order differ.
  std::vector<BatchPlan> epoch(std::uint64_t seed, std::int64_t epoch) const;
  // The batches sorted by length, for evaluation and analysis.
  std::vector<BatchPlan> in_order() const;

  // The plan's rows as tensors. `documents` is -1 at padding.
  tensor::Batch make(const BatchPlan& plan) const;

  // The pairs of positions among which a batch's attention works: Σ T² over its segments.
  std::int64_t attention_pairs(const BatchPlan& plan) const;

  std::int64_t row_length(std::int64_t row) const;  // real tokens of a row
  // Of the plan's rows.
  std::int64_t real_tokens(const BatchPlan& plan) const;
  std::int64_t supervised_tokens(const BatchPlan& plan) const;
  std::int64_t rows() const;
  std::int64_t real_tokens() const;
  std::int64_t supervised_tokens() const;
  std::int64_t longest_row() const;

 private:
  // Tokens of a document.
  struct Piece {
    std::int64_t document = 0;  // index in the dataset
    std::int64_t from = 0;      // its first token
    std::int64_t tokens = 0;
  };
  using Row = std::vector<Piece>;  // joined in this order

  void pack(std::vector<Piece> pieces);
  void check_fits() const;
  void write(const Row& row, std::int64_t b, tensor::Batch& batch) const;
  at::Tensor segments(const BatchPlan& plan) const;
  std::vector<BatchPlan> fill(std::vector<std::int64_t> order, std::int64_t shards) const;
  // `order` sorted by length, equal ones as they stand.
  std::vector<std::int64_t> by_length(std::vector<std::int64_t> order) const;

  const Dataset& dataset_;
  std::vector<std::int64_t> documents_;
  BatchOptions options_;
  std::int64_t padding_id_;
  std::vector<Row> rows_;
  std::vector<std::int64_t> lengths_;  // tokens of each row
  std::int64_t shards_ = 1;
  std::vector<std::int64_t> shard_of_;  // of each row; empty of one shard
};

}  // namespace salf::data
