// The parts of a tokenizer, independent of its file format.
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
  // Normalised added tokens are found in their normal form; false: as they are.
  bool normalize_added = true;
};

// Reads the special ids once all tokens have ids.
using ReadSpecialIds = std::function<SpecialIds(const IdLookup&)>;

// `hash`: of the file. Throws Error(kBadInput) for added tokens and special ids that do not fit.
std::unique_ptr<Tokenizer> make_tokenizer(
    TokenizerParts parts, const ReadSpecialIds& read_special, std::string hash);

}  // namespace salf::data
