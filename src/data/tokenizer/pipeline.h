// The parts of a tokenizer, independent of its file format.
#pragma once

#include <deque>

#include "core/fields.h"
#include "data/text/normalizer.h"
#include "data/tokenizer/added_tokens.h"
#include "data/tokenizer/pattern.h"
#include "data/tokenizer/token_model.h"
#include "data/tokenizer/tokenizer.h"

namespace salf::data {

// A part of a text. `from_first`: the number of bytes at its begin that come from the first
// character of the tokenizer's input.
struct Word {
  std::string_view text;
  std::size_t from_first = 0;
};

// The words of a text: views into the text, or into `owned` where characters were added or
// replaced.
struct Words {
  std::vector<Word> pieces;
  std::deque<std::string> owned;
};

// What becomes of the matches of a rule.
enum class SplitBehavior { kRemoved, kIsolated, kMergedWithPrevious, kMergedWithNext, kContiguous };
inline std::vector<core::EnumName<SplitBehavior>> enum_names(SplitBehavior) {
  return {{SplitBehavior::kRemoved, "Removed"}, {SplitBehavior::kIsolated, "Isolated"},
      {SplitBehavior::kMergedWithPrevious, "MergedWithPrevious"},
      {SplitBehavior::kMergedWithNext, "MergedWithNext"},
      {SplitBehavior::kContiguous, "Contiguous"}};
}

// When Metaspace puts its character in front of a word.
enum class PrependScheme { kAlways, kFirst, kNever };

struct SplitStep {
  // Appends the matches and the parts between them. Null: the whole text is one part.
  std::function<void(std::string_view, std::vector<Span>&)> find;
  SplitBehavior behavior = SplitBehavior::kIsolated;
  bool invert = false;  // matches and other parts change roles
  std::string space;    // replaces each space; empty: spaces stay
  std::string prefix;   // put in front of words that do not begin with it
  PrependScheme scheme = PrependScheme::kAlways;
};

// Rules that cut text into words before a model makes tokens of them: the "pre_tokenizer" of a
// tokenizer.json. Thread-safe for concurrent split().
class SplitRules {
 public:
  // Without a pre_tokenizer the text stays whole. Throws Error(kBadInput) that names what is not
  // supported.
  explicit SplitRules(const std::optional<JsonView>& pre_tokenizer);

  // `text` must be valid UTF-8.
  void split(const Word& text, Words& words) const;

  // True after a ByteLevel: words are written in the byte-level alphabet.
  bool byte_level() const { return byte_level_; }

 private:
  void add(const JsonView& pre_tokenizer);

  std::vector<SplitStep> steps_;
  bool byte_level_ = false;
};

// Tokens to text: the "decoder" of a tokenizer.json. Thread-safe for concurrent decode().
class TokenDecoder {
 public:
  // Without a decoder tokens are joined with spaces, as Hugging Face does. Throws Error(kBadInput)
  // that names what is not supported.
  explicit TokenDecoder(const std::optional<JsonView>& decoder);

  // Valid UTF-8: bytes that are not become U+FFFD.
  std::string decode(std::vector<std::string> tokens) const;

 private:
  void add(const JsonView& decoder);

  std::vector<std::function<void(std::vector<std::string>&)>> steps_;
  const char* between_ = "";
};

// The ids that begin, end and pad a document: from the post_processor of a tokenizer.json and the
// tokenizer_config.json beside it.
struct SpecialIds {
  std::optional<std::int64_t> bos, eos, padding;
  bool add_bos = false;
  std::optional<std::int64_t> end;  // eos where there is none, if it is a token
  std::string where;                // file and place, for messages
};

// The id of a token's text.
using IdLookup = std::function<std::optional<std::int64_t>(const std::string&)>;

// `defaults` hold where neither part says anything. Either part may be missing. A template that
// begins with a token sets add_bos, and bos unless `config` does. `config`'s own add_bos_token has
// priority, as in transformers. Throws Error(kBadInput) that names what is not supported and tokens
// that the vocabulary lacks. A padding token that it lacks is ignored: the model never sees it.
SpecialIds read_special_ids(const std::optional<JsonView>& post_processor,
    const std::optional<JsonView>& config, const IdLookup& id_of, const SpecialIds& defaults = {});

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
