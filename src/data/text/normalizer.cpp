#include "data/text/normalizer.h"

#include <unicode/bytestream.h>
#include <unicode/normalizer2.h>
#include <unicode/stringpiece.h>
#include <unicode/uniset.h>

#include <algorithm>
#include <limits>
#include <utility>

#include "core/error.h"
#include "core/log.h"
#include "core/text.h"
#include "data/text/character_classes.h"
#include "data/text/utf8.h"
#include "data/tokenizer/pattern.h"

namespace salf::data {
namespace {

void check(UErrorCode status) {
  if (U_FAILURE(status) == 0) return;
  throw Error(
      ErrorKind::kInternal, std::string("Unicode normalisation failed: ") + u_errorName(status));
}

// Hugging Face's tables of normal forms are those of Unicode 9. Younger combining marks stay where
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

// NFC, NFD, NFKC, NFKD
class UnicodeForm final : public NormalizerStep {
 public:
  using GetForm = const icu::Normalizer2* (*)(UErrorCode&);
  explicit UnicodeForm(GetForm get) : form_(instance(get), unicode_9()) {}

  bool apply(std::string_view text, std::string& out, std::size_t& from_first) const override {
    if (text.size() > static_cast<std::size_t>(std::numeric_limits<std::int32_t>::max())) {
      throw Error(ErrorKind::kBadInput, "a text of " + std::to_string(text.size()) +
                                            " bytes is too long to be normalised; cut it");
    }
    UErrorCode status = U_ZERO_ERROR;
    const bool is_normal = form_.isNormalizedUTF8(icu::StringPiece(text), status) != 0;
    check(status);
    if (is_normal) return false;
    normalize(text, out);
    if (from_first == 0) return true;
    // A character that was composed with the first one counts as the first.
    std::string first;
    normalize(text.substr(0, from_first), first);
    from_first = core::starts_with(out, first) ? first.size() : first_character(out).bytes;
    return true;
  }

 private:
  static const icu::Normalizer2& instance(GetForm get) {
    UErrorCode status = U_ZERO_ERROR;
    const icu::Normalizer2* form = get(status);
    check(status);
    return *form;
  }

  void normalize(std::string_view text, std::string& out) const {
    out.clear();
    icu::StringByteSink<std::string> sink(&out);
    UErrorCode status = U_ZERO_ERROR;
    form_.normalizeUTF8(0, icu::StringPiece(text), sink, nullptr, status);
    check(status);
  }

  icu::FilteredNormalizer2 form_;
};

// Replaces or removes single characters.
class CharacterMap final : public NormalizerStep {
 public:
  // Appends the replacement of a character, if there is one.
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

// Treats control characters and white space as SentencePiece's nmt_* rules do.
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
    const std::size_t begin = left_ ? leading(text, is_space) : 0;
    text.remove_prefix(begin);
    out = text.substr(0, right_ ? trailing_begin(text, is_space) : text.size());
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
    // A replacement counts for the last character that it replaces.
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

// The bytes of a base64 text, or nothing if it is none.
std::optional<std::string> from_base64(std::string_view text) {
  static constexpr std::string_view kDigits =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  if (text.size() % 4 != 0) return std::nullopt;
  while (!text.empty() && text.back() == '=' && text.size() % 4 != 2) text.remove_suffix(1);
  std::string bytes;
  std::uint32_t bits = 0;
  unsigned count = 0;
  for (const char letter : text) {
    const std::size_t digit = kDigits.find(letter);
    if (digit == std::string_view::npos) return std::nullopt;
    bits = bits << 6U | static_cast<std::uint32_t>(digit);
    count += 6;
    if (count < 8) continue;
    count -= 8;
    bytes += static_cast<char>(bits >> count & 0xFFU);
  }
  return bytes;
}

std::unique_ptr<NormalizerStep> read_precompiled(const JsonView& precompiled) {
  precompiled.only_keys({"type", "precompiled_charsmap"});
  const JsonView map = precompiled.at("precompiled_charsmap");
  const auto bytes = from_base64(map.text());
  if (!bytes) map.fail("expected base64");
  return make_precompiled_step(*bytes, map.where());
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

void read_steps(const JsonView& normalizer, NormalizerSteps& steps) {
  const JsonView type = normalizer.at("type");
  if (type.text() == "Sequence") {
    normalizer.only_keys({"type", "normalizers"});
    const JsonView list = normalizer.at("normalizers");
    for (std::size_t i = 0; i < list.array().size(); ++i) {
      read_steps(list.item(i), steps);
    }
  } else if (type.text() == "Prepend") {
    normalizer.only_keys({"type", "prepend"});
    steps.push_back(std::make_unique<Prepend>(normalizer.at("prepend").text()));
  } else if (type.text() == "Strip") {
    normalizer.only_keys({"type", "strip_left", "strip_right"});
    steps.push_back(std::make_unique<Strip>(
        normalizer.at("strip_left").boolean(), normalizer.at("strip_right").boolean()));
  } else if (type.text() == "Replace") {
    steps.push_back(read_replace_step(normalizer));
  } else if (type.text() == "Precompiled") {
    steps.push_back(read_precompiled(normalizer));
  } else {
    steps.push_back(read_plain_step(normalizer, type));
  }
}

}  // namespace

Normalizer::Normalizer(const std::optional<JsonView>& normalizer) {
  if (normalizer) read_steps(*normalizer, steps_);
}

NormalizedText Normalizer::apply(std::string_view text, NormalizerBuffers& buffers) const {
  NormalizedText result{text, text.empty() ? 0 : first_character(text).bytes};
  for (const auto& step : steps_) {
    if (!step->apply(result.text, buffers.next, result.from_first)) continue;
    buffers.current.swap(buffers.next);
    result.text = buffers.current;
  }
  return result;
}

std::unique_ptr<NormalizerStep> make_replace_step(std::string from, std::string to) {
  return std::make_unique<ReplaceText>(std::move(from), std::move(to));
}

std::unique_ptr<NormalizerStep> read_replace_step(const JsonView& replace) {
  replace.only_keys({"type", "pattern", "content"});
  const std::string& content = replace.at("content").text();
  const JsonView pattern = replace.at("pattern");
  if (auto regex = read_regex(pattern)) {
    return std::make_unique<ReplacePattern>(std::move(*regex), content);
  }
  const JsonView text = pattern.at("String");
  if (text.text().empty()) text.fail("expected at least one character");
  return make_replace_step(text.text(), content);
}

}  // namespace salf::data
