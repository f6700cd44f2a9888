#include "data/tokenizer/added_tokens.h"

#include <algorithm>
#include <map>
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

AddedToken read_added_token(const JsonView& entry, std::int64_t id) {
  entry.only_keys({"id", "content", "single_word", "lstrip", "rstrip", "normalized", "special"});
  AddedToken token;
  token.id = id;
  token.content = entry.at("content").text();
  token.special = entry.flag("special", false);
  token.single_word = entry.flag("single_word", false);
  token.left_strip = entry.flag("lstrip", false);
  token.right_strip = entry.flag("rstrip", false);
  token.normalized = entry.flag("normalized", !token.special);
  token.where = entry.where();
  return token;
}

}  // namespace

std::vector<AddedToken> read_added_tokens(const JsonView& added_tokens) {
  std::vector<AddedToken> tokens;
  for (const JsonView& entry : added_tokens.items()) {
    tokens.push_back(read_added_token(entry, entry.at("id").id()));
  }
  return tokens;
}

std::vector<AddedToken> read_added_tokens_decoder(const JsonView& decoder) {
  std::map<std::int64_t, AddedToken> by_id;
  for (const auto& [key, value] : decoder.object().value().items()) {
    const bool is_id =
        !key.empty() && key.size() <= 9 && key.find_first_not_of("0123456789") == std::string::npos;
    if (!is_id) decoder.fail("\"" + core::printable(key, 60) + "\": expected a token id");
    const std::int64_t id = std::stol(key);
    by_id.emplace(id, read_added_token(decoder.at(key.c_str()), id));
  }
  std::vector<AddedToken> tokens;
  for (auto& entry : by_id) tokens.push_back(std::move(entry.second));
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

void AddedTokenFinder::split(std::string_view text, std::vector<TextPiece>& pieces) const {
  std::size_t covered = 0;
  std::size_t position = tokens_.empty() ? text.size() : 0;
  while (position < text.size()) {
    const bool possible = first_bytes_[static_cast<unsigned char>(text[position])];
    const PrefixTree::Match match =
        possible ? tree_.longest(text.substr(position)) : PrefixTree::Match{};
    if (match.length == 0) {
      ++position;
      continue;
    }
    const AddedToken& token = tokens_[static_cast<std::size_t>(match.value)];
    std::size_t begin = position;
    std::size_t end = begin + match.length;
    position = end;  // the inside of a discarded match is not searched again
    if (token.single_word && !stands_alone(text, begin, end)) continue;
    if (token.left_strip) {
      begin = std::max(trailing_begin(text.substr(0, begin), is_space), covered);
    }
    if (token.right_strip) end += leading(text.substr(end), is_space);
    if (covered < begin) pieces.push_back({text.substr(covered, begin - covered)});
    pieces.push_back({{}, token.id});
    covered = end;
  }
  if (covered < text.size()) pieces.push_back({text.substr(covered)});
}

}  // namespace salf::data
