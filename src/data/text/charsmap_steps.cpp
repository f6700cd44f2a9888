// The normalizer steps that use the precompiled_charsmap of a SentencePiece model.
#include <unicode/brkiter.h>
#include <unicode/utext.h>

#include <memory>

#include "core/text.h"
#include "data/bad_input.h"
#include "data/text/normalizer.h"
#include "data/text/utf8.h"
#include "data/tokenizer/sentencepiece/prefix_tree.h"

namespace salf::data {
namespace {

// A unit of darts-clone's double array.
bool has_leaf(std::uint32_t unit) { return (unit >> 8U & 1U) != 0; }
std::uint32_t label(std::uint32_t unit) { return unit & (1U << 31U | 0xFFU); }
std::uint32_t leaf_value(std::uint32_t unit) { return unit & ~(1U << 31U); }
std::uint32_t offset(std::uint32_t unit) { return unit >> 10U << ((unit & 1U << 9U) >> 6U); }

std::uint32_t little_endian(std::string_view bytes, std::size_t at) {
  std::uint32_t value = 0;
  for (std::size_t i = 4; i-- > 0;) {
    value = value << 8U | static_cast<unsigned char>(bytes[at + i]);
  }
  return value;
}

// A map of byte strings: a double array (Aoe 1989, in the layout of darts-clone), then the
// replacements, each ended by a NUL.
class Charsmap {
 public:
  struct Match {
    std::size_t length = 0;        // bytes of the key
    std::string_view replacement;  // valid UTF-8
  };

  // `blob`: size of the array in bytes (32 bits), the array (32 bits each), the replacements.
  Charsmap(std::string_view blob, const std::string& where) : where_(where) {
    if (blob.size() < 4) fail("expected at least 4 bytes, found " + std::to_string(blob.size()));
    const std::uint32_t size = little_endian(blob, 0);
    if (size == 0 || size % 4 != 0 || size > blob.size() - 4) {
      fail("the array has " + std::to_string(size) + " bytes, expected a multiple of 4 up to " +
           std::to_string(blob.size() - 4));
    }
    for (std::size_t at = 4; at < size + 4ULL; at += 4) units_.push_back(little_endian(blob, at));
    replacements_ = blob.substr(size + 4ULL);
    if (replacements_.empty() || replacements_.back() != '\0') {
      fail("the replacements do not end with a NUL");
    }
    if (core::invalid_utf8(replacements_)) fail("the replacements are not valid UTF-8");
  }

  // The shortest or the longest key that `text` begins with.
  std::optional<Match> find(std::string_view text, bool shortest) const {
    std::optional<Match> found;
    std::uint32_t place = offset(units_[0]);
    for (std::size_t i = 0; i < text.size(); ++i) {
      const std::uint32_t byte = static_cast<unsigned char>(text[i]);
      place ^= byte;
      if (byte == 0 || place >= units_.size() || label(units_[place]) != byte) break;
      const std::uint32_t unit = units_[place];
      place ^= offset(unit);
      if (!has_leaf(unit)) continue;
      if (place >= units_.size()) fail("a leaf lies outside the array");
      found = Match{i + 1, replacement(leaf_value(units_[place]))};
      if (shortest) break;
    }
    return found;
  }

 private:
  std::string_view replacement(std::uint32_t index) const {
    if (index >= replacements_.size() || !begins_character(replacements_[index])) {
      fail("a replacement lies at byte " + std::to_string(index) +
           ", expected the begin of a character below " + std::to_string(replacements_.size()));
    }
    return replacements_.data() + index;  // ends at the next NUL; the last byte is one
  }

  [[noreturn]] void fail(const std::string& problem) const {
    refuse(where_, "damaged: " + problem);
  }

  std::string where_;
  std::vector<std::uint32_t> units_;
  std::string replacements_;
};

// Applies a charsmap as Hugging Face's Precompiled does: to whole grapheme clusters of less than 6
// bytes, else to single characters, by the shortest key.
class Precompiled {
 public:
  Precompiled(std::string_view charsmap, const std::string& where) : map_(charsmap, where) {}

  bool operator()(std::string_view text, std::string& out, std::size_t& from_first) const {
    UErrorCode status = U_ZERO_ERROR;
    UText* source =
        utext_openUTF8(nullptr, text.data(), static_cast<std::int64_t>(text.size()), &status);
    check_icu(status);
    const std::unique_ptr<UText, decltype(&utext_close)> closer(source, utext_close);
    const std::unique_ptr<icu::BreakIterator> clusters(
        icu::BreakIterator::createCharacterInstance(icu::Locale::getRoot(), status));
    check_icu(status);
    clusters->setText(source, status);
    check_icu(status);
    out.clear();
    std::size_t begin = 0;
    for (std::int32_t next = clusters->next(); next != icu::BreakIterator::DONE;
         next = clusters->next()) {
      const auto end = static_cast<std::size_t>(next);
      append_cluster(text.substr(begin, end - begin), out);
      begin = end;
    }
    // Hugging Face counts what is removed at the begin as part of what follows.
    if (from_first > 0) from_first = out.empty() ? 0 : first_character(out).bytes;
    return true;
  }

 private:
  void append_cluster(std::string_view cluster, std::string& out) const {
    constexpr std::size_t kShort = 6;
    if (cluster.size() < kShort) {
      if (const auto match = map_.find(cluster, true)) {
        out += match->replacement;
        return;
      }
    }
    while (!cluster.empty()) {
      const std::string_view character = cluster.substr(0, first_character(cluster).bytes);
      const auto match = map_.find(character, true);
      out += match ? match->replacement : character;
      cluster.remove_prefix(character.size());
    }
  }
  Charsmap map_;
};

// Does what Normalizer::Normalize() of SentencePiece does (normalizer.cc).
class SentencePieceStep {
 public:
  SentencePieceStep(const SentencePieceNormalizer& options, const std::string& where)
      : options_(options), space_(options.escape_whitespaces ? "\xE2\x96\x81" : " ") {
    if (!options.charsmap.empty()) map_.emplace(options.charsmap, where);
    for (const std::string& piece : options.user_defined) user_defined_.insert(piece, 0);
  }

  bool operator()(std::string_view text, std::string& out, std::size_t& from_first) const {
    out.clear();
    from_first = 0;  // unused: no rules follow
    const bool tidy = options_.remove_extra_whitespaces;
    while (tidy && !text.empty()) {
      const auto match = prefix(text);
      if (match.replacement != " ") break;
      text.remove_prefix(match.length);
    }
    if (text.empty()) return true;
    if (options_.add_dummy_prefix && !options_.whitespace_as_suffix) out += space_;
    bool after_space = tidy;
    while (!text.empty()) {
      const auto match = prefix(text);
      std::string_view part = match.replacement;
      while (after_space && !part.empty() && part.front() == ' ') part.remove_prefix(1);
      for (const char letter : part) letter == ' ' ? out += space_ : out += letter;
      if (!part.empty()) after_space = part.back() == ' ';
      after_space = after_space && tidy;
      text.remove_prefix(match.length);
    }
    while (tidy && core::ends_with(out, space_)) out.resize(out.size() - space_.size());
    if (options_.add_dummy_prefix && options_.whitespace_as_suffix) out += space_;
    return true;
  }

 private:
  Charsmap::Match prefix(std::string_view text) const {
    const std::size_t longest = user_defined_.longest(text).length;
    if (longest > 0) return {longest, text.substr(0, longest)};
    if (const auto match = map_ ? map_->find(text, false) : std::nullopt) {
      // A key that ends within a character would leave half of it.
      if (match->length == text.size() || begins_character(text[match->length])) return *match;
    }
    const std::size_t length = first_character(text).bytes;
    return {length, text.substr(0, length)};
  }

  SentencePieceNormalizer options_;
  std::string space_;
  std::optional<Charsmap> map_;
  PrefixTree user_defined_;
};

}  // namespace

NormalizerStep make_sentencepiece_step(
    const SentencePieceNormalizer& normalizer, const std::string& where) {
  return SentencePieceStep(normalizer, where);
}

NormalizerStep make_precompiled_step(std::string_view charsmap, const std::string& where) {
  return Precompiled(charsmap, where);
}

}  // namespace salf::data
