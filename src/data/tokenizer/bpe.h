// Byte pair encoding (Sennrich et al. 2016, Neural Machine Translation of Rare Words with Subword
// Units), over bytes (Radford et al. 2019) or over characters with bytes for those that the
// vocabulary lacks (SentencePiece, Kudo and Richardson 2018).
#pragma once

#include <array>

#include "data/tokenizer/token_model.h"

namespace salf::data {

// Two neighbours that become one. The lowest rank goes first, then the leftmost place.
struct Merge {
  std::int32_t left, right, result;
  std::int32_t rank;
};

struct BpeOptions {
  bool byte_level = false;              // words are bytes, written in the byte-level alphabet
  std::optional<std::int32_t> unknown;  // id; without it unknown units are left out
  bool fuse_unknown = false;            // unknown neighbours become one token
  bool byte_fallback = false;           // unknown characters become their bytes' tokens (<0x0A>)
  bool whole_words = false;             // a word that is a token is not merged ("ignore_merges")
};

// Finds merges by (left, right). Built once, then only read.
class MergeTable {
 public:
  // The last of several merges of the same neighbours counts.
  explicit MergeTable(const std::vector<Merge>& merges);
  const Merge* find(std::int32_t left, std::int32_t right) const;

 private:
  std::size_t slot(std::int32_t left, std::int32_t right) const;

  std::vector<Merge> slots_;  // a power of two, at most half full; left -1: empty
};

class Bpe final : public TokenModel {
 public:
  // REQUIRES: the ids of merges and options are in the vocabulary
  Bpe(Vocabulary vocabulary, const std::vector<Merge>& merges, const BpeOptions& options);

  void encode(
      std::string_view word, ModelScratch& scratch, std::vector<std::int64_t>& ids) const override;

 private:
  using Symbol = ModelScratch::Symbol;
  using Candidate = ModelScratch::Candidate;
  static constexpr std::int32_t kNone = -1;

  void index_units();
  void start(std::string_view word, std::vector<Symbol>& symbols) const;
  std::int32_t unit_id(std::string_view unit) const;
  bool fall_back(std::string_view character, std::vector<Symbol>& symbols) const;
  void merge_symbols(ModelScratch& scratch) const;
  void propose(const std::vector<Symbol>& symbols, std::int32_t position,
      std::vector<Candidate>& queue) const;

  BpeOptions options_;
  MergeTable merges_;
  std::unordered_map<std::string, std::int32_t> words_;  // bytes -> id, with whole_words
  std::array<std::int32_t, 256> byte_ids_{};  // of the alphabet or of <0x0A>; kNone: no such token
  std::vector<std::int32_t> character_ids_;   // by code point
};

}  // namespace salf::data
