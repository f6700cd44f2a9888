// Which tokens does a word become? The "model" of a tokenizer.json: Bpe or Unigram.
#pragma once

#include <cstdint>
#include <memory>
#include <string_view>
#include <vector>

#include "data/rows/checked_json.h"
#include "data/tokenizer/vocabulary.h"

namespace salf::data {

// What one call of encode() works with, whatever the model; contents mean nothing between calls.
struct ModelScratch {
  // A symbol of the word that is being merged; not alive: merged into the one before.
  struct Symbol {
    std::int32_t id, previous, next;
    bool alive;
  };
  struct Candidate {
    std::int32_t rank, position, result;
  };
  // The best way to the end of this byte of the word.
  struct Way {
    double score;
    std::int32_t begin, id;  // of its last token; begin -1: none leads here
  };
  std::vector<Symbol> symbols;
  std::vector<Candidate> queue;
  std::vector<Way> ways;
};

// Thread-safe for concurrent encode(), with a scratch of its own for each.
class TokenModel {
 public:
  explicit TokenModel(Vocabulary vocabulary) : vocabulary_(std::move(vocabulary)) {}
  virtual ~TokenModel() = default;
  TokenModel(const TokenModel&) = delete;
  TokenModel& operator=(const TokenModel&) = delete;

  // Appends the ids of `word`, one piece of the split text (valid UTF-8, less than 2^31 bytes).
  virtual void encode(
      std::string_view word, ModelScratch& scratch, std::vector<std::int64_t>& ids) const = 0;

  const Vocabulary& vocabulary() const { return vocabulary_; }

 private:
  Vocabulary vocabulary_;
};

// Reads the "model" of a tokenizer.json. `byte_level`: words are written in the byte-level
// alphabet. Throws Error(kBadInput), naming what is wrong or not supported.
std::unique_ptr<TokenModel> read_token_model(const JsonView& model, bool byte_level);

}  // namespace salf::data
