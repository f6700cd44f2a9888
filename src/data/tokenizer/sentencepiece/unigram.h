// The likeliest tokens of a word under a unigram language model (Kudo 2018, Subword
// Regularization), found with Viterbi's algorithm.
#pragma once

#include "data/tokenizer/sentencepiece/prefix_tree.h"
#include "data/tokenizer/token_model.h"

namespace salf::data {

struct UnigramOptions {
  std::optional<std::int32_t> unknown;  // id; without it an unknown character is an error
  bool byte_fallback = false;           // unknown characters become their bytes' tokens (<0x0A>)
  // As Google's sentencepiece: sums are rounded to float, which decides between equally good ways,
  // and user-defined tokens always win.
  bool sentencepiece = false;
};

struct UnigramToken {
  std::int32_t id = 0;
  double score = 0;           // logarithm of its probability
  bool user_defined = false;  // only with UnigramOptions::sentencepiece
};

class Unigram final : public TokenModel {
 public:
  // `tokens`: those that text may become. The last of several with the same text counts.
  // REQUIRES: ids of tokens and options are in the vocabulary
  Unigram(Vocabulary vocabulary, const std::vector<UnigramToken>& tokens,
      const UnigramOptions& options);

  // Throws Error(kBadInput) for an unknown character where there is no unknown token.
  void encode(
      std::string_view word, ModelScratch& scratch, std::vector<std::int64_t>& ids) const override;

 private:
  using Way = ModelScratch::Way;
  static constexpr std::int32_t kNone = -1;

  void find_ways(std::string_view word, std::vector<Way>& ways) const;
  void extend(const Way& from, std::int32_t begin, Way& to, std::int32_t id, double score) const;
  void add_unknown(std::string_view text, std::vector<std::int64_t>& ids) const;

  UnigramOptions options_;
  PrefixTree tree_;
  std::vector<UnigramToken> tokens_;    // by id
  std::vector<std::int32_t> byte_ids_;  // of <0x00> …; empty: no fallback to bytes
  double unknown_score_ = 0;
};

}  // namespace salf::data
