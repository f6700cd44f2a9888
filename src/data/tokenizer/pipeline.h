// What is a tokenizer made of, wherever it was read from?
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "data/text/normalizer.h"
#include "data/tokenizer/added_tokens.h"
#include "data/tokenizer/special_ids.h"
#include "data/tokenizer/split_rules.h"
#include "data/tokenizer/token_decoder.h"
#include "data/tokenizer/token_model.h"
#include "data/tokenizer/tokenizer.h"

namespace salf::data {

// Applied in this order: added tokens that are not normalised, normalizer, the other added tokens,
// rules, model.
struct TokenizerParts {
  Normalizer normalizer;
  SplitRules rules;
  std::unique_ptr<TokenModel> model;
  TokenDecoder decoder;
  std::vector<AddedToken> added;
  // Added tokens that are normalised are looked for in their normal form; false: as they are.
  bool normalize_added = true;
};

// Reads which ids are special, once all tokens have theirs.
using ReadSpecialIds = std::function<SpecialIds(const IdLookup&)>;

// `hash`: of the file. Throws Error(kBadInput) for added tokens and special ids that do not fit.
std::unique_ptr<Tokenizer> make_tokenizer(
    TokenizerParts parts, const ReadSpecialIds& read_special, std::string hash);

}  // namespace salf::data
