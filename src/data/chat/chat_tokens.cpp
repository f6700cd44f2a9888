#include <algorithm>

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

}  // namespace salf::data
