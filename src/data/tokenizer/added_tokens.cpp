#include "data/tokenizer/added_tokens.h"

#include <algorithm>
#include <utility>

#include "core/log.h"
#include "data/text/character_classes.h"
#include "data/text/utf8.h"

namespace salf::data {
namespace {

bool stands_alone(std::string_view text, std::size_t begin, std::size_t end) {
  const std::string_view before = text.substr(0, begin);
  const std::string_view after = text.substr(end);
  return (before.empty() || !is_word_character(last_character(before).code)) &&
         (after.empty() || !is_word_character(first_character(after).code));
}

}  // namespace

AddedToken read_added_token(const JsonView& entry) {
  entry.only_keys({"id", "content", "single_word", "lstrip", "rstrip", "normalized", "special"});
  AddedToken token;
  token.content = entry.at("content").text();
  token.special = entry.flag("special", false);
  token.single_word = entry.flag("single_word", false);
  token.left_strip = entry.flag("lstrip", false);
  token.right_strip = entry.flag("rstrip", false);
  token.normalized = entry.flag("normalized", !token.special);
  token.where = entry.where();
  return token;
}

std::vector<AddedToken> read_added_tokens(const JsonView& added_tokens) {
  std::vector<AddedToken> tokens;
  for (std::size_t i = 0; i < added_tokens.array().size(); ++i) {
    const JsonView entry = added_tokens.item(i);
    tokens.push_back(read_added_token(entry));
    tokens.back().id = entry.at("id").id();
  }
  return tokens;
}

AddedTokenFinder::AddedTokenFinder(std::vector<AddedToken> tokens) : tokens_(std::move(tokens)) {
  for (std::size_t i = 0; i < tokens_.size(); ++i) {
    const std::string& content = tokens_[i].content;
    if (content.empty()) continue;
    tree_.insert(content, static_cast<std::int32_t>(i));
    first_bytes_[static_cast<unsigned char>(content[0])] = true;
  }
}

const AddedToken* AddedTokenFinder::longest_at(std::string_view text, std::size_t start) const {
  const AddedToken* longest = nullptr;
  std::int32_t node = PrefixTree::kRoot;
  for (std::size_t i = start; i < text.size(); ++i) {
    node = tree_.child(node, static_cast<unsigned char>(text[i]));
    if (node == PrefixTree::kNone) break;
    const std::int32_t token = tree_.value(node);
    if (token != PrefixTree::kNone) longest = &tokens_[static_cast<std::size_t>(token)];
  }
  return longest;
}

void AddedTokenFinder::split(std::string_view text, std::vector<TextPiece>& pieces) const {
  if (tokens_.empty()) {
    if (!text.empty()) pieces.push_back({text, kText});
    return;
  }
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
    if (covered < begin) pieces.push_back({text.substr(covered, begin - covered), kText});
    pieces.push_back({{}, token->id});
    covered = end;
  }
  if (covered < text.size()) pieces.push_back({text.substr(covered), kText});
}

}  // namespace salf::data
