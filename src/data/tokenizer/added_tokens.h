// Where do added tokens ("<|im_start|>") stand in a text? They are cut out before it is normalised
// and split.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "data/rows/checked_json.h"
#include "data/tokenizer/sentencepiece/prefix_tree.h"

namespace salf::data {

// An entry of added_tokens in a tokenizer.json, or what corresponds to it elsewhere.
struct AddedToken {
  std::int64_t id = 0;
  std::string content;
  bool single_word = false;  // not beside a letter, digit, mark or underscore
  bool left_strip = false;   // takes the white space on its left with it
  bool right_strip = false;
  bool normalized = false;  // looked for after normalisation
  bool special = false;
  std::string where;  // file and place, for messages
};

// All but the id, which the caller knows. Throws Error(kBadInput).
AddedToken read_added_token(const JsonView& entry);
// The list of a tokenizer.json.
std::vector<AddedToken> read_added_tokens(const JsonView& added_tokens);

// A piece of text, or an added token (id >= 0).
struct TextPiece {
  std::string_view text;
  std::int64_t id = -1;
};

// Finds tokens from left to right, the longest first. Thread-safe for concurrent split().
class AddedTokenFinder {
 public:
  // The content of each is what is looked for. Empty contents are never found.
  explicit AddedTokenFinder(std::vector<AddedToken> tokens);

  // Appends the pieces of `text` (valid UTF-8), none of them empty text.
  void split(std::string_view text, std::vector<TextPiece>& pieces) const;

 private:
  static constexpr std::int64_t kText = -1;
  // The longest token that begins at `start`, or null.
  const AddedToken* longest_at(std::string_view text, std::size_t start) const;

  std::vector<AddedToken> tokens_;
  std::array<bool, 256> first_bytes_{};
  PrefixTree tree_;  // of their contents
};

}  // namespace salf::data
