// Where do added tokens ("<|im_start|>") stand in a text? They are cut out before it is normalised
// and split.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "checked_json.h"

namespace salf::data {

// An entry of added_tokens in a tokenizer.json.
struct AddedToken {
  std::int64_t id = 0;
  std::string content;
  bool single_word = false;  // not beside a letter, digit, mark or underscore
  bool left_strip = false;   // takes the white space on its left with it
  bool right_strip = false;
  bool normalized = false;  // looked for after normalisation
  bool special = false;
};

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
  bool empty() const { return tokens_.empty(); }

 private:
  static constexpr std::int32_t kNone = -1;
  std::int32_t child(std::int32_t node, unsigned char byte) const;
  // The longest token that begins at `start`, or null.
  const AddedToken* longest_at(std::string_view text, std::size_t start) const;

  std::vector<AddedToken> tokens_;
  std::array<bool, 256> first_bytes_{};
  std::unordered_map<std::uint64_t, std::int32_t> edges_;  // a trie: node * 256 + byte -> node
  std::vector<std::int32_t> token_of_node_{kNone};
};

}  // namespace salf::data
