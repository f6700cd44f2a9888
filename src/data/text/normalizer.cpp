#include "data/text/normalizer.h"

#include <unicode/bytestream.h>
#include <unicode/normalizer2.h>
#include <unicode/stringpiece.h>
#include <unicode/uniset.h>

#include <algorithm>
#include <limits>
#include <memory>

#include "core/log.h"
#include "core/text.h"
#include "data/text/character_classes.h"
#include "data/text/utf8.h"
#include "data/tokenizer/pattern.h"

namespace salf::data {
namespace {

// Hugging Face's tables of normal forms are those of Unicode 9. Younger combining marks stay where
// they are.
const icu::UnicodeSet& unicode_9() {
  static const icu::UnicodeSet known = [] {
    UErrorCode status = U_ZERO_ERROR;
    icu::UnicodeSet set(u"[:age=9.0:]", status);
    check_icu(status);
    set.freeze();
    return set;
  }();
  return known;
}

void normalize(const icu::Normalizer2& form, std::string_view text, std::string& out) {
  out.clear();
  icu::StringByteSink<std::string> sink(&out);
  UErrorCode status = U_ZERO_ERROR;
  form.normalizeUTF8(0, icu::StringPiece(text), sink, nullptr, status);
  check_icu(status);
}

// NFC, NFD, NFKC, NFKD
NormalizerStep unicode_form(const icu::Normalizer2* (*get)(UErrorCode&)) {
  UErrorCode status = U_ZERO_ERROR;
  const icu::Normalizer2* const whole = get(status);
  check_icu(status);
  // Shared because a std::function must be copyable.
  const auto form = std::make_shared<const icu::FilteredNormalizer2>(*whole, unicode_9());
  return [form](std::string_view text, std::string& out, std::size_t& from_first) {
    if (text.size() > static_cast<std::size_t>(std::numeric_limits<std::int32_t>::max())) {
      throw Error(ErrorKind::kBadInput, "a text of " + std::to_string(text.size()) +
                                            " bytes is too long to be normalised; cut it");
    }
    UErrorCode problem = U_ZERO_ERROR;
    const bool is_normal = form->isNormalizedUTF8(icu::StringPiece(text), problem) != 0;
    check_icu(problem);
    if (is_normal) return false;
    normalize(*form, text, out);
    if (from_first == 0) return true;
    // A character that was composed with the first one counts as the first.
    std::string first;
    normalize(*form, text.substr(0, from_first), first);
    from_first = core::starts_with(out, first) ? first.size() : first_character(out).bytes;
    return true;
  };
}

// Replaces or removes single characters. `map` appends the replacement of a character, if any.
NormalizerStep character_map(void (*map)(char32_t code, std::string& out)) {
  return [map](std::string_view text, std::string& out, std::size_t& from_first) {
    out.clear();
    const std::size_t before = from_first;
    for (std::size_t i = 0; i < text.size();) {
      const Character character = first_character(text.substr(i));
      map(character.code, out);
      i += character.bytes;
      if (i <= before) from_first = out.size();
    }
    return true;
  };
}

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

NormalizerStep strip(bool left, bool right) {
  return [left, right](std::string_view text, std::string& out, std::size_t& from_first) {
    const std::size_t begin = left ? leading(text, is_space) : 0;
    text.remove_prefix(begin);
    out = text.substr(0, right ? trailing_begin(text, is_space) : text.size());
    from_first = std::min(from_first > begin ? from_first - begin : 0, out.size());
    return true;
  };
}

NormalizerStep prepend(const std::string& prefix) {
  return [prefix](std::string_view text, std::string& out, std::size_t& from_first) {
    if (text.empty()) return false;
    out = prefix;
    out += text;
    if (from_first > 0) from_first += prefix.size();
    return true;
  };
}

NormalizerStep replace_pattern(const Pattern& from, const std::string& to) {
  return [from, to](std::string_view text, std::string& out, std::size_t& from_first) {
    std::vector<Span> spans;
    from.find(text, spans);
    out.clear();
    const std::size_t before = from_first;
    for (const Span& span : spans) {
      const std::string_view part = text.substr(span.begin, span.end - span.begin);
      const std::size_t begin = out.size();
      out += span.is_match ? to : part;
      if (span.end <= before) {
        from_first = out.size();
      } else if (span.begin < before) {
        from_first = span.is_match ? begin : begin + (before - span.begin);
      }
    }
    if (before > 0 && spans.empty()) from_first = 0;
    return true;
  };
}

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

NormalizerStep read_precompiled(const JsonView& precompiled) {
  precompiled.only_keys({"type", "precompiled_charsmap"});
  const JsonView map = precompiled.at("precompiled_charsmap");
  const auto bytes = from_base64(map.text());
  if (!bytes) map.fail("expected base64");
  return make_precompiled_step(*bytes, map.where());
}

NormalizerStep read_plain_step(const JsonView& type) {
  const std::string& name = type.text();
  if (name == "NFC") return unicode_form(icu::Normalizer2::getNFCInstance);
  if (name == "NFD") return unicode_form(icu::Normalizer2::getNFDInstance);
  if (name == "NFKC") return unicode_form(icu::Normalizer2::getNFKCInstance);
  if (name == "NFKD") return unicode_form(icu::Normalizer2::getNFKDInstance);
  if (name == "Lowercase") return character_map(lowercase);
  if (name == "StripAccents") return character_map(without_accents);
  if (name == "Nmt") return character_map(nmt);
  type.fail(core::printable(name) +
            " is not supported; known: NFC, NFD, NFKC, NFKD, Lowercase, StripAccents, Nmt, Strip, "
            "Prepend, Replace, Precompiled, Sequence");
}

void read_steps(const JsonView& normalizer, std::vector<NormalizerStep>& steps) {
  const JsonView type = normalizer.at("type");
  if (type.text() == "Sequence") {
    normalizer.only_keys({"type", "normalizers"});
    for (const JsonView& item : normalizer.at("normalizers").items()) read_steps(item, steps);
  } else if (type.text() == "Prepend") {
    normalizer.only_keys({"type", "prepend"});
    steps.push_back(prepend(normalizer.at("prepend").text()));
  } else if (type.text() == "Strip") {
    normalizer.only_keys({"type", "strip_left", "strip_right"});
    steps.push_back(
        strip(normalizer.at("strip_left").boolean(), normalizer.at("strip_right").boolean()));
  } else if (type.text() == "Replace") {
    steps.push_back(read_replace_step(normalizer));
  } else if (type.text() == "Precompiled") {
    steps.push_back(read_precompiled(normalizer));
  } else {
    steps.push_back(read_plain_step(type));
    normalizer.only_keys({"type"});
  }
}

}  // namespace

Normalizer::Normalizer(const std::optional<JsonView>& normalizer) {
  if (normalizer) read_steps(*normalizer, steps_);
}

NormalizedText Normalizer::apply(std::string_view text, NormalizerBuffers& buffers) const {
  NormalizedText result{text, text.empty() ? 0 : first_character(text).bytes};
  for (const auto& step : steps_) {
    if (!step(result.text, buffers.next, result.from_first)) continue;
    buffers.current.swap(buffers.next);
    result.text = buffers.current;
  }
  return result;
}

NormalizerStep make_replace_step(const std::string& from, const std::string& to) {
  return [from, to](std::string_view text, std::string& out, std::size_t& from_first) {
    std::size_t found = text.find(from);
    if (found == std::string_view::npos) return false;
    out.clear();
    const std::size_t before = from_first;
    std::size_t covered = 0;
    for (; found != std::string_view::npos; found = text.find(from, covered)) {
      out += text.substr(covered, found - covered);
      out += to;
      covered = found + from.size();
      if (covered <= before) from_first = out.size();
    }
    // A replacement counts for the last character that it replaces.
    if (covered < before) from_first = out.size() + (before - covered);
    out += text.substr(covered);
    return true;
  };
}

NormalizerStep read_replace_step(const JsonView& replace) {
  replace.only_keys({"type", "pattern", "content"});
  const std::string& content = replace.at("content").text();
  const JsonView pattern = replace.at("pattern");
  if (const auto regex = read_regex(pattern)) return replace_pattern(*regex, content);
  const JsonView text = pattern.at("String");
  if (text.text().empty()) text.fail("expected at least one character");
  return make_replace_step(text.text(), content);
}

}  // namespace salf::data
