#include "added_tokens.h"

#include <unicode/uchar.h>
#include <unicode/utf8.h>

#include <algorithm>
#include <utility>

#include "salf/core/log.h"

namespace salf::data {
namespace {

// A word character in Rust's regexes: \w.
bool is_word_character(UChar32 character) {
  const std::uint32_t category = U_GET_GC_MASK(character);
  return u_hasBinaryProperty(character, UCHAR_ALPHABETIC) != 0 ||
         u_hasBinaryProperty(character, UCHAR_JOIN_CONTROL) != 0 ||
         (category & (U_GC_M_MASK | U_GC_ND_MASK | U_GC_PC_MASK)) != 0;
}

// ICU's UTF-8 macros, in a shape that is easy to use. REQUIRES: not empty, valid UTF-8
struct Character {
  UChar32 code = 0;
  std::size_t bytes = 0;
};

Character first_character(std::string_view text) {
  const auto* bytes = reinterpret_cast<const std::uint8_t*>(text.data());
  std::size_t position = 0;
  UChar32 code = 0;
  U8_NEXT_UNSAFE(bytes, position, code);
  return {code, position};
}

Character last_character(std::string_view text) {
  std::size_t position = text.size() - 1;
  while ((static_cast<unsigned char>(text[position]) & 0xC0U) == 0x80U) --position;
  return first_character(text.substr(position));
}

std::size_t leading_space(std::string_view text) {
  std::size_t length = 0;
  while (length < text.size()) {
    const Character next = first_character(text.substr(length));
    if (u_isUWhiteSpace(next.code) == 0) break;
    length += next.bytes;
  }
  return length;
}

// Where the white space at the end of `text` begins.
std::size_t trailing_space_begin(std::string_view text) {
  while (!text.empty()) {
    const Character last = last_character(text);
    if (u_isUWhiteSpace(last.code) == 0) break;
    text.remove_suffix(last.bytes);
  }
  return text.size();
}

bool stands_alone(std::string_view text, std::size_t begin, std::size_t end) {
  const std::string_view before = text.substr(0, begin);
  const std::string_view after = text.substr(end);
  return (before.empty() || !is_word_character(last_character(before).code)) &&
         (after.empty() || !is_word_character(first_character(after).code));
}

}  // namespace

std::vector<AddedToken> read_added_tokens(const JsonView& added_tokens) {
  std::vector<AddedToken> tokens;
  for (std::size_t i = 0; i < added_tokens.array().size(); ++i) {
    const JsonView entry = added_tokens.item(i);
    entry.only_keys({"id", "content", "single_word", "lstrip", "rstrip", "normalized", "special"});
    AddedToken token;
    token.id = entry.at("id").id();
    token.content = entry.at("content").text();
    token.special = entry.flag("special", false);
    token.single_word = entry.flag("single_word", false);
    token.left_strip = entry.flag("lstrip", false);
    token.right_strip = entry.flag("rstrip", false);
    token.normalized = entry.flag("normalized", !token.special);
    tokens.push_back(std::move(token));
  }
  return tokens;
}

AddedTokenFinder::AddedTokenFinder(std::vector<AddedToken> tokens) : tokens_(std::move(tokens)) {
  for (std::size_t i = 0; i < tokens_.size(); ++i) {
    std::int32_t node = 0;
    for (const char letter : tokens_[i].content) {
      const auto byte = static_cast<unsigned char>(letter);
      const auto next = static_cast<std::int32_t>(token_of_node_.size());
      const auto added = edges_.emplace(static_cast<std::uint64_t>(node) * 256 + byte, next);
      if (added.second) token_of_node_.push_back(kNone);
      node = added.first->second;
    }
    if (node == 0) continue;
    token_of_node_[static_cast<std::size_t>(node)] = static_cast<std::int32_t>(i);
    first_bytes_[static_cast<unsigned char>(tokens_[i].content[0])] = true;
  }
}

std::int32_t AddedTokenFinder::child(std::int32_t node, unsigned char byte) const {
  const auto found = edges_.find(static_cast<std::uint64_t>(node) * 256 + byte);
  return found == edges_.end() ? kNone : found->second;
}

const AddedToken* AddedTokenFinder::longest_at(std::string_view text, std::size_t start) const {
  const AddedToken* longest = nullptr;
  std::int32_t node = 0;
  for (std::size_t i = start; i < text.size(); ++i) {
    node = child(node, static_cast<unsigned char>(text[i]));
    if (node == kNone) break;
    const std::int32_t token = token_of_node_[static_cast<std::size_t>(node)];
    if (token != kNone) longest = &tokens_[static_cast<std::size_t>(token)];
  }
  return longest;
}

void AddedTokenFinder::split(std::string_view text, std::vector<TextPiece>& pieces) const {
  std::size_t covered = 0;
  std::size_t position = 0;
  while (position < text.size()) {
    const bool possible = first_bytes_[static_cast<unsigned char>(text[position])];
    const AddedToken* token = possible ? longest_at(text, position) : nullptr;
    if (token == nullptr) {
      ++position;
      continue;
    }
    std::size_t begin = position;
    std::size_t end = begin + token->content.size();
    position = end;  // a match that is discarded is not looked into again
    if (token->single_word && !stands_alone(text, begin, end)) continue;
    if (token->left_strip) begin = std::max(trailing_space_begin(text.substr(0, begin)), covered);
    if (token->right_strip) end += leading_space(text.substr(end));
    if (covered < begin) pieces.push_back({text.substr(covered, begin - covered), -1});
    pieces.push_back({{}, token->id});
    covered = end;
  }
  if (covered < text.size()) pieces.push_back({text.substr(covered), -1});
}

}  // namespace salf::data
