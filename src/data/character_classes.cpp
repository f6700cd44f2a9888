#include "character_classes.h"

#include <unicode/uchar.h>

#include "utf8.h"

namespace salf::data {
namespace {

UChar32 icu(char32_t code) { return static_cast<UChar32>(code); }

bool known_to_unicode(char32_t code, std::uint8_t version) {
  UVersionInfo age{};
  u_charAge(icu(code), age);
  return age[0] <= version;
}

}  // namespace

bool is_space(char32_t code) { return u_isUWhiteSpace(icu(code)) != 0; }

bool is_word_character(char32_t code) {
  const std::uint32_t category = U_GET_GC_MASK(icu(code));
  return u_hasBinaryProperty(icu(code), UCHAR_ALPHABETIC) != 0 ||
         u_hasBinaryProperty(icu(code), UCHAR_JOIN_CONTROL) != 0 ||
         (category & (U_GC_M_MASK | U_GC_ND_MASK | U_GC_PC_MASK)) != 0;
}

bool is_punctuation(char32_t code) {
  if (code < 0x80)
    return u_ispunct(icu(code)) != 0 || (U_GET_GC_MASK(icu(code)) & U_GC_S_MASK) != 0;
  return (U_GET_GC_MASK(icu(code)) & U_GC_P_MASK) != 0 && known_to_unicode(code, 8);
}

// Rust knows Unicode 17, ICU 72 Unicode 15: see Note [Unicode versions].
bool is_numeric(char32_t code) { return (U_GET_GC_MASK(icu(code)) & U_GC_N_MASK) != 0; }

bool is_combining_mark(char32_t code) {
  return (U_GET_GC_MASK(icu(code)) & U_GC_M_MASK) != 0 && known_to_unicode(code, 9);
}

char32_t lower_case(char32_t code) {
  return code == 0x130 ? U'i' : static_cast<char32_t>(u_tolower(icu(code)));
}

std::size_t leading_space(std::string_view text) {
  std::size_t length = 0;
  while (length < text.size()) {
    const Character next = first_character(text.substr(length));
    if (!is_space(next.code)) break;
    length += next.bytes;
  }
  return length;
}

std::size_t trailing_space_begin(std::string_view text) {
  while (!text.empty()) {
    const Character last = last_character(text);
    if (!is_space(last.code)) break;
    text.remove_suffix(last.bytes);
  }
  return text.size();
}

}  // namespace salf::data
