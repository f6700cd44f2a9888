// How is text cut into words before bytes are merged? The pre_tokenizer of a tokenizer.json.
#pragma once

#include <deque>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "checked_json.h"
#include "pattern.h"

namespace salf::data {

// What becomes of the matches of a split pattern.
enum class SplitBehavior { kRemoved, kIsolated, kMergedWithPrevious, kMergedWithNext, kContiguous };

// Words of a text. Views into the text, or into `owned` where a space was put in front.
struct Words {
  std::vector<std::string_view> pieces;
  std::deque<std::string> owned;
};

// Thread-safe for concurrent split().
class SplitRules {
 public:
  // ByteLevel, Split, Digits and Sequence of those; it must end with the one ByteLevel.
  // Throws Error(kBadInput), naming what is not supported.
  explicit SplitRules(const JsonView& pre_tokenizer);

  // `text` must be valid UTF-8.
  void split(std::string_view text, Words& words) const;

 private:
  struct Step {
    std::optional<Pattern> pattern;
    SplitBehavior behavior = SplitBehavior::kIsolated;
    bool invert = false;
    bool prefix_space = false;
  };
  void add(const JsonView& pre_tokenizer);
  void add_byte_level(const JsonView& byte_level);
  void add_split(const JsonView& split);
  void add_digits(const JsonView& digits);
  static void apply(const Step& step, std::string_view piece, std::vector<Span>& spans,
                    std::vector<std::string_view>& pieces);

  std::vector<Step> steps_;
  bool complete_ = false;  // ByteLevel was there
};

}  // namespace salf::data
