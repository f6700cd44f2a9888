// Batches: the rows that share one, their order, and their tensors.
#pragma once

#include "core/fields.h"
#include "data/rows/dataset.h"
#include "tensor/batch.h"

namespace salf::data {

struct BatchOptions {
  std::int64_t batch_tokens = 1024;  // padded tokens of a batch at most
  std::int64_t pack = 0;             // >0: documents joined into blocks of this many tokens

  template <class Self, class Visitor> static void fields(Self& self, Visitor& visit) {
    core::begin_group(visit, "Data");
    visit(
        Field{"batch_tokens", "tokens of a batch at most, padding included"}.common().range(1, 1e9),
        self.batch_tokens);
    visit(Field{"pack", "join documents into blocks of this many tokens; 0: rows stay documents"}
              .range(0, 1e7),
        self.pack);
  }
};

// The rows of a batch. A row is a document, or with pack a block.
struct BatchPlan {
  std::vector<std::int64_t> rows;
  std::int64_t length = 0;  // tokens of the longest row
};

// Rows of one split, ready to be batched. Keeps a reference to `dataset`, which must outlive it.
class Batcher {
 public:
  // `documents`: indices into dataset.documents. Packed blocks join the documents in this order;
  // the last partial block is kept, right-padded with `padding_id`. Labels stay those of the
  // documents: none crosses a boundary. Throws Error(kBadInput) if batch_tokens is smaller than one
  // packed block or the longest document.
  Batcher(const Dataset& dataset, std::vector<std::int64_t> documents, BatchOptions options,
      std::int64_t padding_id);

  // The batches of one epoch. Rows are sorted by length (equal lengths in random order) and filled
  // into batches, and the batches are shuffled. Every row occurs once. (seed, epoch) decide,
  // equally on every machine. All epochs have the same shapes; only rows and order differ.
  std::vector<BatchPlan> epoch(std::uint64_t seed, std::int64_t epoch) const;
  // The batches sorted by length, for evaluation and analysis.
  std::vector<BatchPlan> in_order() const;

  // The plan's rows as tensors. `documents` is -1 at padding.
  tensor::Batch make(const BatchPlan& plan) const;

  std::int64_t row_length(std::int64_t row) const;  // real tokens of a row
  std::int64_t rows() const;
  std::int64_t real_tokens() const;
  std::int64_t supervised_tokens() const;
  std::int64_t longest_row() const;

 private:
  void write(std::int64_t row, std::int64_t b, tensor::Batch& batch) const;
  std::vector<BatchPlan> fill(std::vector<std::int64_t> order) const;

  const Dataset& dataset_;
  std::vector<std::int64_t> documents_;
  BatchOptions options_;
  std::int64_t padding_id_;
  std::vector<std::int64_t> lengths_;      // tokens of each row
  std::vector<std::int64_t> first_token_;  // begin of each document in the joined stream
};

}  // namespace salf::data
