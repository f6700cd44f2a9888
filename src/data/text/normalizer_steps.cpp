#include "data/text/normalizer_steps.h"

#include <unicode/brkiter.h>
#include <unicode/bytestream.h>
#include <unicode/normalizer2.h>
#include <unicode/stringpiece.h>
#include <unicode/uniset.h>
#include <unicode/utext.h>

#include <algorithm>
#include <limits>
#include <utility>

#include "core/error.h"
#include "core/log.h"
#include "data/text/character_classes.h"
#include "data/text/utf8.h"
#include "data/tokenizer/pattern.h"

namespace salf::data {
namespace {

void check(UErrorCode status) {
  if (U_FAILURE(status) != 0) {
    throw Error(
        ErrorKind::kInternal, std::string("Unicode normalisation failed: ") + u_errorName(status));
  }
}

// Hugging Face's tables of normal forms are those of Unicode 9: younger combining marks stay where
// they are.
const icu::UnicodeSet& unicode_9() {
  static const icu::UnicodeSet known = [] {
    UErrorCode status = U_ZERO_ERROR;
    icu::UnicodeSet set(u"[:age=9.0:]", status);
    check(status);
    set.freeze();
    return set;
  }();
  return known;
}

using GetForm = const icu::Normalizer2* (*)(UErrorCode&);

// NFC, NFD, NFKC, NFKD
class UnicodeForm final : public NormalizerStep {
 public:
  explicit UnicodeForm(GetForm get) : form_(instance(get), unicode_9()) {}

  bool apply(std::string_view text, std::string& out, std::size_t& from_first) const override {
    if (text.size() > static_cast<std::size_t>(std::numeric_limits<std::int32_t>::max())) {
      throw Error(ErrorKind::kBadInput, "a text of " + std::to_string(text.size()) +
                                            " bytes is too long to be normalised; cut it");
    }
    const icu::StringPiece piece(text.data(), static_cast<std::int32_t>(text.size()));
    UErrorCode status = U_ZERO_ERROR;
    const bool is_normal = form_.isNormalizedUTF8(piece, status) != 0;
    check(status);
    if (is_normal) return false;
    out.clear();
    icu::StringByteSink<std::string> sink(&out);
    form_.normalizeUTF8(0, piece, sink, nullptr, status);
    check(status);
    if (from_first > 0) from_first = common_begin(text.substr(0, from_first), out);
    return true;
  }

 private:
  static const icu::Normalizer2& instance(GetForm get) {
    UErrorCode status = U_ZERO_ERROR;
    const icu::Normalizer2* form = get(status);
    check(status);
    return *form;
  }
  // How much of `out` is the normal form of `first`; a character that was composed with it counts.
  std::size_t common_begin(std::string_view first, std::string_view out) const {
    const icu::StringPiece piece(first.data(), static_cast<std::int32_t>(first.size()));
    std::string alone;
    icu::StringByteSink<std::string> sink(&alone);
    UErrorCode status = U_ZERO_ERROR;
    form_.normalizeUTF8(0, piece, sink, nullptr, status);
    check(status);
    return out.substr(0, alone.size()) == alone ? alone.size() : first_character(out).bytes;
  }

  icu::FilteredNormalizer2 form_;
};

// Replaces or leaves out single characters.
class CharacterMap final : public NormalizerStep {
 public:
  // Appends what stands for a character, if anything.
  using Map = void (*)(char32_t code, std::string& out);
  explicit CharacterMap(Map map) : map_(map) {}

  bool apply(std::string_view text, std::string& out, std::size_t& from_first) const override {
    out.clear();
    const std::size_t before = from_first;
    for (std::size_t i = 0; i < text.size();) {
      const Character character = first_character(text.substr(i));
      map_(character.code, out);
      i += character.bytes;
      if (i <= before) from_first = out.size();
    }
    return true;
  }

 private:
  Map map_;
};

void lowercase(char32_t code, std::string& out) {
  append_utf8(lower_case(code), out);
  if (code == 0x130) append_utf8(0x307, out);  // the one letter whose lower case is two
}

void without_accents(char32_t code, std::string& out) {
  if (!is_combining_mark(code)) append_utf8(code, out);
}

// Nmt: what SentencePiece's nmt_* rules do to control characters and white space.
void nmt(char32_t code, std::string& out) {
  const bool removed = (code >= 0x1 && code <= 0x8) || code == 0xB ||
                       (code >= 0xE && code <= 0x1F) || code == 0x7F || code == 0x8F ||
                       code == 0x9F;
  if (removed) return;
  const bool space = code == 0x9 || code == 0xA || code == 0xC || code == 0xD || code == 0x1680 ||
                     (code >= 0x200B && code <= 0x200F) || code == 0x2028 || code == 0x2029 ||
                     code == 0x2581 || code == 0xFEFF || code == 0xFFFD;
  append_utf8(space ? U' ' : code, out);
}

class Strip final : public NormalizerStep {
 public:
  Strip(bool left, bool right) : left_(left), right_(right) {}

  bool apply(std::string_view text, std::string& out, std::size_t& from_first) const override {
    const std::size_t begin = left_ ? leading_space(text) : 0;
    text.remove_prefix(begin);
    out = text.substr(0, right_ ? trailing_space_begin(text) : text.size());
    from_first = std::min(from_first > begin ? from_first - begin : 0, out.size());
    return true;
  }

 private:
  bool left_, right_;
};

class Prepend final : public NormalizerStep {
 public:
  explicit Prepend(std::string prefix) : prefix_(std::move(prefix)) {}

  bool apply(std::string_view text, std::string& out, std::size_t& from_first) const override {
    if (text.empty()) return false;
    out = prefix_;
    out += text;
    if (from_first > 0) from_first += prefix_.size();
    return true;
  }

 private:
  std::string prefix_;
};

class ReplaceText final : public NormalizerStep {
 public:
  ReplaceText(std::string from, std::string to) : from_(std::move(from)), to_(std::move(to)) {}

  bool apply(std::string_view text, std::string& out, std::size_t& from_first) const override {
    std::size_t found = text.find(from_);
    if (found == std::string_view::npos) return false;
    out.clear();
    const std::size_t before = from_first;
    std::size_t covered = 0;
    for (; found != std::string_view::npos; found = text.find(from_, covered)) {
      out += text.substr(covered, found - covered);
      out += to_;
      covered = found + from_.size();
      if (covered <= before) from_first = out.size();
    }
    // What was put in counts as its last character's.
    if (covered < before) from_first = out.size() + (before - covered);
    out += text.substr(covered);
    return true;
  }

 private:
  std::string from_, to_;
};

class ReplacePattern final : public NormalizerStep {
 public:
  ReplacePattern(Pattern from, std::string to) : from_(std::move(from)), to_(std::move(to)) {}

  bool apply(std::string_view text, std::string& out, std::size_t& from_first) const override {
    std::vector<Span> spans;
    from_.find(text, spans);
    out.clear();
    const std::size_t before = from_first;
    for (const Span& span : spans) {
      const std::string_view part = text.substr(span.begin, span.end - span.begin);
      const std::size_t begin = out.size();
      out += span.is_match ? to_ : part;
      if (span.end <= before) {
        from_first = out.size();
      } else if (span.begin < before) {
        from_first = span.is_match ? begin : begin + (before - span.begin);
      }
    }
    if (before > 0 && spans.empty()) from_first = 0;
    return true;
  }

 private:
  Pattern from_;
  std::string to_;
};

// Precompiled: a SentencePiece charsmap as Hugging Face applies it, to whole grapheme clusters of
// less than 6 bytes and else to single characters, by the shortest key.
class Precompiled final : public NormalizerStep {
 public:
  explicit Precompiled(Charsmap map) : map_(std::move(map)) {}

  bool apply(std::string_view text, std::string& out, std::size_t& from_first) const override {
    UErrorCode status = U_ZERO_ERROR;
    UText* source =
        utext_openUTF8(nullptr, text.data(), static_cast<std::int64_t>(text.size()), &status);
    check(status);
    const std::unique_ptr<UText, decltype(&utext_close)> closer(source, utext_close);
    const std::unique_ptr<icu::BreakIterator> clusters(
        icu::BreakIterator::createCharacterInstance(icu::Locale::getRoot(), status));
    check(status);
    clusters->setText(source, status);
    check(status);
    out.clear();
    std::size_t begin = 0;
    for (std::int32_t next = clusters->next(); next != icu::BreakIterator::DONE;
         next = clusters->next()) {
      const auto end = static_cast<std::size_t>(next);
      append_cluster(text.substr(begin, end - begin), out);
      begin = end;
    }
    // Hugging Face counts what is left out at the begin to what comes after it.
    if (from_first > 0) from_first = out.empty() ? 0 : first_character(out).bytes;
    return true;
  }

 private:
  void append_cluster(std::string_view cluster, std::string& out) const {
    constexpr std::size_t kShort = 6;
    if (cluster.size() < kShort) {
      if (const auto match = map_.shortest(cluster)) {
        out += match->replacement;
        return;
      }
    }
    while (!cluster.empty()) {
      const std::string_view character = cluster.substr(0, first_character(cluster).bytes);
      const auto match = map_.shortest(character);
      out += match ? match->replacement : character;
      cluster.remove_prefix(character.size());
    }
  }
  Charsmap map_;
};

// normalizer.cc of SentencePiece: Normalizer::Normalize().
class SentencePieceStep final : public NormalizerStep {
 public:
  SentencePieceStep(const SentencePieceNormalizer& options, const std::string& where)
      : options_(options), space_(options.escape_whitespaces ? "\xE2\x96\x81" : " ") {
    if (!options.charsmap.empty()) map_.emplace(options.charsmap, where);
    for (const std::string& piece : options.user_defined) user_defined_.insert(piece, 0);
  }

  bool apply(std::string_view text, std::string& out, std::size_t& from_first) const override {
    out.clear();
    from_first = 0;  // nobody asks: there are no rules after it
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
    while (tidy && ends_with_space(out)) out.resize(out.size() - space_.size());
    if (options_.add_dummy_prefix && options_.whitespace_as_suffix) out += space_;
    return true;
  }

 private:
  bool ends_with_space(const std::string& text) const {
    return text.size() >= space_.size() &&
           text.compare(text.size() - space_.size(), space_.size(), space_) == 0;
  }

  Charsmap::Match prefix(std::string_view text) const {
    std::size_t longest = 0;
    std::int32_t node = PrefixTree::kRoot;
    for (std::size_t i = 0; i < text.size(); ++i) {
      node = user_defined_.child(node, static_cast<unsigned char>(text[i]));
      if (node == PrefixTree::kNone) break;
      if (user_defined_.value(node) != PrefixTree::kNone) longest = i + 1;
    }
    if (longest > 0) return {longest, text.substr(0, longest)};
    if (const auto match = map_ ? map_->longest(text) : std::nullopt) {
      // A key that ends within a character would leave half of it.
      const bool whole = match->length == text.size() ||
                         (static_cast<unsigned char>(text[match->length]) & 0xC0U) != 0x80U;
      if (whole) return *match;
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

std::unique_ptr<NormalizerStep> make_sentencepiece_step(
    const SentencePieceNormalizer& normalizer, const std::string& where) {
  return std::make_unique<SentencePieceStep>(normalizer, where);
}

namespace {

std::unique_ptr<NormalizerStep> read_replace(const JsonView& replace) {
  replace.only_keys({"type", "pattern", "content"});
  const std::string& content = replace.at("content").text();
  const JsonView pattern = replace.at("pattern");
  pattern.only_keys({"String", "Regex"});
  if (pattern.size() != 1) pattern.fail("expected either \"String\" or \"Regex\"");
  if (const auto text = pattern.find("String")) {
    if (text->text().empty()) text->fail("expected at least one character");
    return std::make_unique<ReplaceText>(text->text(), content);
  }
  const JsonView regex = pattern.at("Regex");
  return std::make_unique<ReplacePattern>(Pattern(regex.text(), regex.where()), content);
}

std::unique_ptr<NormalizerStep> read_precompiled(const JsonView& precompiled) {
  precompiled.only_keys({"type", "precompiled_charsmap"});
  const JsonView map = precompiled.at("precompiled_charsmap");
  const auto bytes = from_base64(map.text());
  if (!bytes) map.fail("expected base64");
  return std::make_unique<Precompiled>(Charsmap(*bytes, map.where()));
}

std::unique_ptr<NormalizerStep> read_plain_step(const JsonView& normalizer, const JsonView& type) {
  const std::string& name = type.text();
  std::unique_ptr<NormalizerStep> step;
  if (name == "NFC") step = std::make_unique<UnicodeForm>(icu::Normalizer2::getNFCInstance);
  if (name == "NFD") step = std::make_unique<UnicodeForm>(icu::Normalizer2::getNFDInstance);
  if (name == "NFKC") step = std::make_unique<UnicodeForm>(icu::Normalizer2::getNFKCInstance);
  if (name == "NFKD") step = std::make_unique<UnicodeForm>(icu::Normalizer2::getNFKDInstance);
  if (name == "Lowercase") step = std::make_unique<CharacterMap>(lowercase);
  if (name == "StripAccents") step = std::make_unique<CharacterMap>(without_accents);
  if (name == "Nmt") step = std::make_unique<CharacterMap>(nmt);
  if (!step) {
    type.fail(
        core::printable(name) +
        " is not supported; known: NFC, NFD, NFKC, NFKD, Lowercase, StripAccents, Nmt, Strip, "
        "Prepend, Replace, Precompiled, Sequence");
  }
  normalizer.only_keys({"type"});
  return step;
}

}  // namespace

void read_normalizer_steps(const JsonView& normalizer, NormalizerSteps& steps) {
  const JsonView type = normalizer.at("type");
  if (type.text() == "Sequence") {
    normalizer.only_keys({"type", "normalizers"});
    const JsonView list = normalizer.at("normalizers");
    for (std::size_t i = 0; i < list.array().size(); ++i) {
      read_normalizer_steps(list.item(i), steps);
    }
  } else if (type.text() == "Prepend") {
    normalizer.only_keys({"type", "prepend"});
    steps.push_back(std::make_unique<Prepend>(normalizer.at("prepend").text()));
  } else if (type.text() == "Strip") {
    normalizer.only_keys({"type", "strip_left", "strip_right"});
    steps.push_back(std::make_unique<Strip>(
        normalizer.at("strip_left").boolean(), normalizer.at("strip_right").boolean()));
  } else if (type.text() == "Replace") {
    steps.push_back(read_replace(normalizer));
  } else if (type.text() == "Precompiled") {
    steps.push_back(read_precompiled(normalizer));
  } else {
    steps.push_back(read_plain_step(normalizer, type));
  }
}

}  // namespace salf::data
