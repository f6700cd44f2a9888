// Words to tokens: the vocabulary and the "model" of a tokenizer.json (Bpe or Unigram).
#pragma once

#include <memory>
#include <string_view>
#include <unordered_map>
#include <utility>

#include "data/rows/checked_json.h"

namespace salf::data {

// Tokens and their ids.
class Vocabulary {
 public:
  // The ids of `count` tokens must be below this: vocabularies may be padded, but one huge id must
  // not make a huge table.
  static std::size_t limit(std::size_t count) { return 2 * count + (std::size_t{1} << 16U); }

  // REQUIRES: `id` is not taken. A token that is there already is found under the new id.
  void add(const std::string& token, std::size_t id);

  // By id; nothing where an id has no token. The largest id is size() - 1.
  const std::vector<std::optional<std::string>>& tokens() const { return tokens_; }
  std::size_t size() const { return tokens_.size(); }
  std::optional<std::int64_t> id(const std::string& token) const;
  const std::unordered_map<std::string, std::int32_t>& ids() const { return ids_; }

 private:
  std::vector<std::optional<std::string>> tokens_;
  std::unordered_map<std::string, std::int32_t> ids_;
};

// Scratch space of one call of encode(). The contents mean nothing between calls.
struct ModelScratch {
  // A symbol of the word that is being merged. alive is false once it is part of the one before.
  struct Symbol {
    std::int32_t id, previous, next;
    bool alive;
  };
  struct Candidate {
    std::int32_t rank, position, result;
  };
  // The best way to the end of a byte of the word.
  struct Way {
    double score;
    std::int32_t begin, id;  // of its last token; begin -1: no way leads here
  };
  std::vector<Symbol> symbols;
  std::vector<Candidate> queue;
  std::vector<Way> ways;
};

// Thread-safe for concurrent encode() with separate scratch spaces.
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

// A merge of a tokenizer.json: "left right" or ["left", "right"].
struct MergePair {
  std::string left, right;
};
// Nothing for a "#version" line. Throws Error(kBadInput) for another form.
std::optional<MergePair> read_merge_pair(const JsonView& entry);

// `byte_level`: words are written in the byte-level alphabet. Throws Error(kBadInput) that names
// what is wrong or not supported.
std::unique_ptr<TokenModel> read_token_model(const JsonView& model, bool byte_level);

}  // namespace salf::data
