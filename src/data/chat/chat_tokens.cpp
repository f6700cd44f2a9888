#include <algorithm>
#include <cctype>

#include "data/chat/chat_template.h"

namespace salf::data {
namespace {

using Ids = std::vector<std::int64_t>;

// The byte at which each token ends, or nothing if the tokens' bytes differ from the text's.
std::optional<std::vector<std::size_t>> token_ends(
    const std::string& text, const Ids& ids, const Tokenizer& tokenizer) {
  std::vector<std::size_t> ends;
  std::size_t place = 0;
  for (const std::int64_t id : ids) {
    const std::string bytes = tokenizer.decode({id});
    if (text.compare(place, bytes.size(), bytes) != 0) return std::nullopt;
    place += bytes.size();
    ends.push_back(place);
  }
  if (place != text.size()) return std::nullopt;
  return ends;
}

void mark_by_bytes(const std::vector<std::size_t>& ends, const std::vector<ByteSpan>& answers,
    std::vector<bool>& loss) {
  std::size_t answer = 0;
  for (std::size_t t = 0; t < ends.size(); ++t) {
    const std::size_t begin = t == 0 ? 0 : ends[t - 1];
    while (answer < answers.size() && answers[answer].end <= begin) ++answer;
    loss[t] = answer < answers.size() && answers[answer].begin < ends[t];
  }
}

// The number of tokens that the text up to `end` shares with the whole.
std::size_t shared_tokens(
    const std::string& text, std::size_t end, const Ids& ids, const Tokenizer& tokenizer) {
  const Ids part = tokenizer.encode(std::string_view(text).substr(0, end));
  const std::size_t most = std::min(part.size(), ids.size());
  std::size_t shared = 0;
  while (shared < most && part[shared] == ids[shared]) ++shared;
  return shared;
}

// "<|im_end|>", "<｜User｜>" and "<end_of_turn>", but not "<b>".
bool is_marker(const std::string& text) {
  const std::string_view inner = std::string_view(text).substr(1, text.size() - 2);
  if (inner.empty() || inner.find_first_of("< \t\r\n") != std::string_view::npos) return false;
  constexpr std::string_view kWideBar = "\xEF\xBD\x9C";
  const bool bars = inner.size() > 2 && inner.front() == '|' && inner.back() == '|';
  const bool wide = inner.size() > 6 && inner.substr(0, 3) == kWideBar &&
                    inner.substr(inner.size() - 3) == kWideBar;
  return bars || wide || inner == "start_of_turn" || inner == "end_of_turn";
}

}  // namespace

MarkedTokens encode_chat(const ChatText& chat, const Tokenizer& tokenizer, std::size_t limit) {
  MarkedTokens tokens;
  tokens.ids = tokenizer.encode(chat.text);
  tokens.loss.assign(tokens.ids.size(), false);
  if (const auto ends = token_ends(chat.text, tokens.ids, tokenizer)) {
    mark_by_bytes(*ends, chat.answers, tokens.loss);
    return tokens;
  }
  for (const ByteSpan& answer : chat.answers) {
    const std::size_t begin = shared_tokens(chat.text, answer.begin, tokens.ids, tokenizer);
    if (limit > 0 && begin >= limit) break;
    const std::size_t end = shared_tokens(chat.text, answer.end, tokens.ids, tokenizer);
    for (std::size_t t = begin; t < end; ++t) tokens.loss[t] = true;
  }
  return tokens;
}

std::vector<std::string> markers_without_token(
    const std::string& text, const Tokenizer& tokenizer) {
  constexpr std::size_t kLongest = 40;
  std::vector<std::string> missing;
  for (std::size_t open = text.find('<'); open != std::string::npos;
       open = text.find('<', open + 1)) {
    const std::size_t close = text.find('>', open);
    if (close == std::string::npos) break;
    const std::string marker = text.substr(open, close + 1 - open);
    if (marker.size() > kLongest || !is_marker(marker)) continue;
    if (std::find(missing.begin(), missing.end(), marker) != missing.end()) continue;
    if (tokenizer.encode(marker).size() != 1) missing.push_back(marker);
  }
  return missing;
}

std::optional<std::int64_t> turn_end(const ChatText& chat, const Tokenizer& tokenizer) {
  if (chat.answers.empty()) return std::nullopt;
  const ByteSpan& last = chat.answers.back();
  const Ids ids =
      tokenizer.encode(std::string_view(chat.text).substr(last.begin, last.end - last.begin));
  for (std::size_t i = ids.size(); i-- > 0;) {
    const std::string text = tokenizer.decode({ids[i]});
    const bool marker = text.size() > 2 && text.front() == '<' && is_marker(text);
    if (tokenizer.is_special(ids[i]) || ids[i] == tokenizer.eos_id() || marker) return ids[i];
    if (text.find_first_not_of(" \t\r\n") != std::string::npos) break;
  }
  return std::nullopt;
}

}  // namespace salf::data
