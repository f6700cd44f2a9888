#include "data/tokenizer/vocabulary.h"

#include "core/log.h"

namespace salf::data {

std::size_t Vocabulary::limit(std::size_t count) { return 2 * count + (std::size_t{1} << 16U); }

void Vocabulary::add(const std::string& token, std::size_t id) {
  if (id >= tokens_.size()) tokens_.resize(id + 1);
  tokens_[id] = token;
  ids_[token] = static_cast<std::int32_t>(id);
}

std::optional<std::int64_t> Vocabulary::id(const std::string& token) const {
  const auto found = ids_.find(token);
  return found == ids_.end() ? std::nullopt : std::optional<std::int64_t>(found->second);
}

Vocabulary read_vocabulary(const JsonView& vocab) {
  Vocabulary vocabulary;
  const std::size_t limit = Vocabulary::limit(vocab.object().size());
  for (const auto& [token, value] : vocab.value().items()) {
    const JsonView entry(value, vocab.where() + "[\"" + core::printable(token, 60) + "\"]");
    const auto id = static_cast<std::size_t>(entry.id());
    if (id >= limit) {
      entry.fail("the id " + std::to_string(id) +
                 " leaves too many ids without a token; expected less than " +
                 std::to_string(limit) + " with " + std::to_string(vocab.size()) + " tokens");
    }
    if (id < vocabulary.size() && vocabulary.tokens()[id]) {
      entry.fail("the id " + std::to_string(id) + " is taken by \"" +
                 core::printable(*vocabulary.tokens()[id], 60) + '"');
    }
    vocabulary.add(token, id);
  }
  if (vocabulary.empty()) vocab.fail("the vocabulary is empty");
  return vocabulary;
}

}  // namespace salf::data
