// Added tokens ("<|im_start|>"), which are cut out of a text before it is normalised and split.
#pragma once

#include <array>

#include "data/rows/checked_json.h"
#include "data/tokenizer/sentencepiece/prefix_tree.h"

namespace salf::data {

// An entry of added_tokens in a tokenizer.json, or its equal in other files.
struct AddedToken {
  std::int64_t id = 0;
  std::string content;
  bool single_word = false;  // not beside a letter, digit, mark or underscore
  bool left_strip = false;   // takes the white space on its left with it
  bool right_strip = false;
  bool normalized = false;  // found after normalisation
  bool special = false;
  std::string where;  // file and place, for messages
};

// These throw Error(kBadInput).
// The added_tokens of a tokenizer.json.
std::vector<AddedToken> read_added_tokens(const JsonView& added_tokens);
// The added_tokens_decoder of a tokenizer_config.json, {"id": token, …}, by id.
std::vector<AddedToken> read_added_tokens_decoder(const JsonView& decoder);

// A piece of text, or an added token (id >= 0).
struct TextPiece {
  std::string_view text;
  std::int64_t id = -1;
};

// Finds tokens from left to right, the longest first. Thread-safe for concurrent split().
class AddedTokenFinder {
 public:
  // Tokens without content are never found.
  explicit AddedTokenFinder(std::vector<AddedToken> tokens);

  // Appends the pieces of `text` (valid UTF-8). No piece is empty text.
  void split(std::string_view text, std::vector<TextPiece>& pieces) const;

 private:
  std::vector<AddedToken> tokens_;
  std::array<bool, 256> first_bytes_{};
  PrefixTree tree_;  // of their contents
};

}  // namespace salf::data
