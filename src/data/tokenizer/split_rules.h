// How is text cut into words before bytes are merged? The pre_tokenizer of a tokenizer.json.
#pragma once

#include <deque>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "data/rows/checked_json.h"
#include "data/tokenizer/pattern.h"

namespace salf::data {

// What becomes of the matches of a split pattern.
enum class SplitBehavior { kRemoved, kIsolated, kMergedWithPrevious, kMergedWithNext, kContiguous };

// When Metaspace puts its character in front of a word.
enum class PrependScheme { kAlways, kFirst, kNever };

// A part of a text. `from_first`: how many bytes at its begin come from the first character of the
// tokenizer's input.
struct Word {
  std::string_view text;
  std::size_t from_first = 0;
};

// Words of a text. Views into the text, or into `owned` where characters were put in or replaced.
struct Words {
  std::vector<Word> pieces;
  std::deque<std::string> owned;
};

// Thread-safe for concurrent split().
class SplitRules {
 public:
  // A null pre_tokenizer leaves the text whole. Throws Error(kBadInput), naming what is not
  // supported.
  explicit SplitRules(const std::optional<JsonView>& pre_tokenizer);

  // `text` must be valid UTF-8.
  void split(const Word& text, Words& words) const;

  // There is a ByteLevel: words are meant in the byte-level alphabet.
  bool byte_level() const { return byte_level_; }

 private:
  using CharacterTest = bool (*)(char32_t code);
  struct Step {
    std::optional<Pattern> pattern;
    CharacterTest test = nullptr;  // each character of the class is a match
    bool words = false;            // Whitespace: runs of \w, and runs of neither \w nor \s
    std::string delimiter;         // this character is a match
    SplitBehavior behavior = SplitBehavior::kIsolated;
    bool invert = false;
    std::string space;   // what stands for a space; empty: the space itself
    std::string prefix;  // put in front of words that do not begin with it
    PrependScheme scheme = PrependScheme::kAlways;
  };
  void add(const JsonView& pre_tokenizer);
  void add_byte_level(const JsonView& byte_level);
  void add_split(const JsonView& split);
  void add_digits(const JsonView& digits);
  void add_metaspace(const JsonView& metaspace);
  void add_punctuation(const JsonView& punctuation);
  void add_white_space(const JsonView& pre_tokenizer, const std::string& type);
  static Word rewritten(const Step& step, const Word& word, Words& words);
  static void find(const Step& step, std::string_view text, std::vector<Span>& spans);
  static void apply(
      const Step& step, const Word& piece, std::vector<Span>& spans, std::vector<Word>& pieces);

  std::vector<Step> steps_;
  bool byte_level_ = false;
};

}  // namespace salf::data
