// Rules that cut text into words before a model makes tokens of them: the "pre_tokenizer" of a
// tokenizer.json.
#pragma once

#include <deque>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/fields.h"
#include "data/rows/checked_json.h"
#include "data/tokenizer/pattern.h"

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

// Thread-safe for concurrent split().
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

}  // namespace salf::data
