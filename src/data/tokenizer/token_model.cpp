#include "data/tokenizer/token_model.h"

#include "core/log.h"
#include "core/text.h"
#include "data/tokenizer/bpe.h"
#include "data/tokenizer/byte_alphabet.h"
#include "data/tokenizer/sentencepiece/unigram.h"

namespace salf::data {
namespace {

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
  if (vocabulary.size() == 0) vocab.fail("the vocabulary is empty");
  return vocabulary;
}

std::int32_t required_id(
    const Vocabulary& vocabulary, const JsonView& where, const std::string& token) {
  const auto id = vocabulary.id(token);
  if (!id) where.fail("\"" + core::printable(token, 60) + "\" is not in the vocabulary");
  return static_cast<std::int32_t>(*id);
}

std::vector<Merge> read_merges(const JsonView& merges, const Vocabulary& vocabulary) {
  std::vector<Merge> result;
  result.reserve(merges.array().size());
  for (std::size_t i = 0; i < merges.size(); ++i) {
    const JsonView entry = merges.item(i);
    const auto pair = read_merge_pair(entry);
    if (!pair) continue;
    const std::int32_t left = required_id(vocabulary, entry, pair->left);
    const std::int32_t right = required_id(vocabulary, entry, pair->right);
    result.push_back({left, right, required_id(vocabulary, entry, pair->left + pair->right),
        static_cast<std::int32_t>(result.size())});
  }
  return result;
}

void check_bpe(const JsonView& model) {
  model.only_keys({"type", "dropout", "unk_token", "continuing_subword_prefix",
      "end_of_word_suffix", "fuse_unk", "byte_fallback", "ignore_merges", "vocab", "merges"});
  const auto dropout = model.find("dropout");
  if (dropout && !(dropout->value().is_number() && dropout->value().get<double>() == 0.0)) {
    dropout->fail("dropout is not supported, expected null");
  }
  for (const char* key : {"continuing_subword_prefix", "end_of_word_suffix"}) {
    const auto affix = model.find(key);
    if (affix && !affix->text().empty()) affix->fail("is not supported, expected null");
  }
}

// Without all letters of the alphabet, Hugging Face falls back to the bytes of a letter.
void check_byte_level_fallback(const JsonView& model, const Vocabulary& vocabulary) {
  bool complete = true;
  bool has_bytes = false;
  for (std::size_t byte = 0; byte < 256; ++byte) {
    complete = complete && vocabulary.id(byte_alphabet()[byte]);
    has_bytes = has_bytes || vocabulary.id(fallback_token(static_cast<unsigned char>(byte)));
  }
  if (!complete && has_bytes) {
    model.at("byte_fallback")
        .fail("is not supported in a byte-level tokenizer with tokens such as <0x0A>");
  }
}

std::unique_ptr<TokenModel> read_bpe(const JsonView& model, bool byte_level) {
  check_bpe(model);
  Vocabulary vocabulary = read_vocabulary(model.at("vocab"));
  const std::vector<Merge> merges = read_merges(model.at("merges"), vocabulary);
  BpeOptions options;
  options.byte_level = byte_level;
  if (const auto unknown = model.find("unk_token")) {
    options.unknown = required_id(vocabulary, *unknown, unknown->text());
  }
  options.fuse_unknown = model.flag("fuse_unk", false);
  options.byte_fallback = model.flag("byte_fallback", false);
  options.whole_words = model.flag("ignore_merges", false);
  if (byte_level && options.byte_fallback) check_byte_level_fallback(model, vocabulary);
  return std::make_unique<Bpe>(std::move(vocabulary), merges, options);
}

std::unique_ptr<TokenModel> read_unigram(const JsonView& model, bool byte_level) {
  model.only_keys({"type", "vocab", "unk_id", "byte_fallback"});
  if (byte_level) model.fail("Unigram after ByteLevel is not supported, expected BPE");
  const JsonView list = model.at("vocab");
  if (list.array().size() == 0) list.fail("the vocabulary is empty");
  Vocabulary vocabulary;
  std::vector<UnigramToken> tokens;
  for (std::size_t i = 0; i < list.size(); ++i) {
    const JsonView entry = list.item(i);
    if (!entry.value().is_array() || entry.size() != 2) entry.fail_type("[\"token\", score]");
    const JsonView score = entry.item(1);
    if (!score.value().is_number()) score.fail_type("a number");
    vocabulary.add(entry.item(0).text(), i);
    tokens.push_back({static_cast<std::int32_t>(i), score.value().get<double>(), false});
  }
  UnigramOptions options;
  if (const auto unknown = model.find("unk_id")) {
    const std::int64_t id = unknown->id();
    if (id >= static_cast<std::int64_t>(list.size())) unknown->fail("is not in the vocabulary");
    options.unknown = static_cast<std::int32_t>(id);
  }
  options.byte_fallback = model.flag("byte_fallback", false);
  return std::make_unique<Unigram>(std::move(vocabulary), tokens, options);
}

}  // namespace

void Vocabulary::add(const std::string& token, std::size_t id) {
  if (id >= tokens_.size()) tokens_.resize(id + 1);
  tokens_[id] = token;
  ids_[token] = static_cast<std::int32_t>(id);
}

std::optional<std::int64_t> Vocabulary::id(const std::string& token) const {
  const auto found = ids_.find(token);
  return found == ids_.end() ? std::nullopt : std::optional<std::int64_t>(found->second);
}

std::optional<MergePair> read_merge_pair(const JsonView& entry) {
  if (entry.value().is_array() && entry.size() == 2) {
    return MergePair{entry.item(0).text(), entry.item(1).text()};
  }
  if (!entry.value().is_string()) entry.fail_type("\"left right\" or [\"left\", \"right\"]");
  const std::string& text = entry.text();
  if (core::starts_with(text, "#version")) return std::nullopt;
  const std::size_t space = text.find(' ');
  if (space == std::string::npos || text.find(' ', space + 1) != std::string::npos) {
    entry.fail(
        "expected two tokens with one space between, found \"" + core::printable(text, 60) + '"');
  }
  return MergePair{text.substr(0, space), text.substr(space + 1)};
}

std::unique_ptr<TokenModel> read_token_model(const JsonView& model, bool byte_level) {
  const auto type = model.find("type");  // GPT-2's own file has none
  if (!type || type->text() == "BPE") return read_bpe(model, byte_level);
  if (type->text() == "Unigram") return read_unigram(model, byte_level);
  type->fail(core::printable(type->text()) + " is not supported; known: BPE, Unigram");
}

}  // namespace salf::data
