#include "data/tokenizer/sentencepiece/unigram.h"

#include <algorithm>
#include <limits>

#include "core/error.h"
#include "data/text/utf8.h"
#include "data/tokenizer/byte_alphabet.h"

namespace salf::data {
namespace {

constexpr double kUnknownPenalty = 10.0;

double as_float(double value) { return static_cast<double>(static_cast<float>(value)); }

// As the package scores them since 0.2.
double user_defined_score(std::size_t bytes) {
  return as_float(as_float(static_cast<double>(bytes) * 0.1) - 0.1);
}

}  // namespace

Unigram::Unigram(
    Vocabulary vocabulary, const std::vector<UnigramToken>& tokens, const UnigramOptions& options)
    : TokenModel(std::move(vocabulary)), options_(options), tokens_(this->vocabulary().size()) {
  double worst = std::numeric_limits<double>::infinity();
  for (const UnigramToken& token : tokens) {
    const std::string& text = *this->vocabulary().tokens()[static_cast<std::size_t>(token.id)];
    tokens_[static_cast<std::size_t>(token.id)] = token;
    if (!text.empty()) tree_.insert(text, token.id);
    if (!token.user_defined) worst = std::min(worst, token.score);
  }
  unknown_score_ = worst - kUnknownPenalty;
  if (options_.sentencepiece) unknown_score_ = as_float(unknown_score_);
  if (!options_.byte_fallback) return;
  for (std::size_t byte = 0; byte < 256; ++byte) {
    const auto id = this->vocabulary().id(fallback_token(static_cast<unsigned char>(byte)));
    byte_ids_.push_back(id ? static_cast<std::int32_t>(*id) : kNone);
  }
}

void Unigram::extend(
    const Way& from, std::int32_t begin, Way& to, std::int32_t id, double score) const {
  double sum = score + from.score;
  if (options_.sentencepiece) sum = as_float(sum);
  if (to.begin != kNone && sum <= to.score) return;
  to = {sum, begin, id};
}

void Unigram::find_ways(std::string_view word, std::vector<Way>& ways) const {
  ways.assign(word.size() + 1, Way{0, kNone, kNone});
  for (std::size_t begin = 0; begin < word.size();) {
    const std::size_t next = begin + first_character(word.substr(begin)).bytes;
    const auto start = static_cast<std::int32_t>(begin);
    bool is_token = false;  // the character by itself
    std::int32_t node = PrefixTree::kRoot;
    for (std::size_t end = begin + 1; end <= word.size(); ++end) {
      node = tree_.child(node, static_cast<unsigned char>(word[end - 1]));
      if (node == PrefixTree::kNone) break;
      const std::int32_t id = tree_.value(node);
      if (id == PrefixTree::kNone) continue;
      const UnigramToken& token = tokens_[static_cast<std::size_t>(id)];
      const double score = token.user_defined ? user_defined_score(end - begin) : token.score;
      extend(ways[begin], start, ways[end], id, score);
      is_token = is_token || end == next;
    }
    if (!is_token) {
      if (!options_.unknown) {
        throw Error(ErrorKind::kBadInput,
            "the text has a character that the tokenizer does not know, and it has no "
            "token for what is unknown: \"" +
                std::string(word.substr(begin, next - begin)) + '"');
      }
      extend(ways[begin], start, ways[next], *options_.unknown, unknown_score_);
    }
    begin = next;
  }
}

void Unigram::add_unknown(std::string_view text, std::vector<std::int64_t>& ids) const {
  // Unknown characters together may be a token that was not the likeliest. Hugging Face takes it.
  if (const auto id = options_.sentencepiece ? std::nullopt : vocabulary().id(std::string(text))) {
    ids.push_back(*id);
    return;
  }
  const bool has_bytes =
      !byte_ids_.empty() && std::all_of(text.begin(), text.end(), [&](char byte) {
        return byte_ids_[static_cast<unsigned char>(byte)] != kNone;
      });
  if (!has_bytes) {
    ids.push_back(*options_.unknown);
    return;
  }
  for (const char byte : text) ids.push_back(byte_ids_[static_cast<unsigned char>(byte)]);
}

void Unigram::encode(
    std::string_view word, ModelScratch& scratch, std::vector<std::int64_t>& ids) const {
  auto& ways = scratch.ways;
  find_ways(word, ways);
  // Walks from the end to the begin. Each way on the path then holds the end of its token.
  std::size_t end = word.size();
  std::int32_t after = kNone;
  while (end > 0) {
    Way& way = ways[end];
    const auto begin = static_cast<std::size_t>(way.begin);
    way.begin = after;
    after = static_cast<std::int32_t>(end);
    end = begin;
  }
  std::size_t begin = 0;
  std::size_t unknown_begin = 0;
  const auto flush = [&] {
    if (unknown_begin < begin) add_unknown(word.substr(unknown_begin, begin - unknown_begin), ids);
  };
  for (std::int32_t at = after; at != kNone; at = ways[static_cast<std::size_t>(at)].begin) {
    const std::int32_t id = ways[static_cast<std::size_t>(at)].id;
    if (!options_.unknown || id != *options_.unknown) {
      flush();
      ids.push_back(id);
      unknown_begin = static_cast<std::size_t>(at);
    }
    begin = static_cast<std::size_t>(at);
  }
  flush();
}

}  // namespace salf::data
