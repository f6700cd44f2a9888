#include "data/text/character_classes.h"

#include <unicode/uchar.h>

#include <algorithm>
#include <iterator>

#include "data/text/utf8.h"

namespace salf::data {
namespace {

UChar32 icu(char32_t code) { return static_cast<UChar32>(code); }
bool has_category(char32_t code, std::uint32_t mask) {
  return (U_GET_GC_MASK(icu(code)) & mask) != 0;
}

struct Range {
  char32_t first, last;
};

template <std::size_t Count> bool is_in(char32_t code, const Range (&ranges)[Count]) {
  const auto* after = std::upper_bound(std::begin(ranges), std::end(ranges), code,
      [](char32_t c, const Range& range) { return c < range.first; });
  return after != std::begin(ranges) && code <= std::prev(after)->last;
}

// Rust knows Unicode 17, ICU 72 knows Unicode 15. These tables hold the difference (see Note
// [Unicode versions]). They were made by asking Hugging Face's tokenizers 0.23.3 about all code
// points.
constexpr Range kYoungWordCharacters[] = {{0x897, 0x897}, {0x1c89, 0x1c8a}, {0xa7cb, 0xa7cd},
    {0xa7da, 0xa7dc}, {0x105c0, 0x105f3}, {0x10d40, 0x10d65}, {0x10d69, 0x10d6d},
    {0x10d6f, 0x10d85}, {0x10ec2, 0x10ec4}, {0x10efc, 0x10efc}, {0x11380, 0x11389},
    {0x1138b, 0x1138b}, {0x1138e, 0x1138e}, {0x11390, 0x113b5}, {0x113b7, 0x113c0},
    {0x113c2, 0x113c2}, {0x113c5, 0x113c5}, {0x113c7, 0x113ca}, {0x113cc, 0x113d3},
    {0x113e1, 0x113e2}, {0x116d0, 0x116e3}, {0x11bc0, 0x11be0}, {0x11bf0, 0x11bf9},
    {0x11f5a, 0x11f5a}, {0x13460, 0x143fa}, {0x16100, 0x16139}, {0x16d40, 0x16d6c},
    {0x16d70, 0x16d79}, {0x18cff, 0x18cff}, {0x1ccf0, 0x1ccf9}, {0x1e5d0, 0x1e5fa},
    {0x2ebf0, 0x2ee5d}};
constexpr Range kYoungNumbers[] = {{0x10d40, 0x10d49}, {0x116d0, 0x116e3}, {0x11bf0, 0x11bf9},
    {0x11de0, 0x11de9}, {0x16130, 0x16139}, {0x16d70, 0x16d79}, {0x16ff4, 0x16ff6},
    {0x1ccf0, 0x1ccf9}, {0x1e5f1, 0x1e5fa}};

struct LowerCase {
  char32_t first, last, lower;  // of the first
};
constexpr LowerCase kYoungLetters[] = {{0x1c89, 0x1c89, 0x1c8a}, {0xa7cb, 0xa7cb, 0x264},
    {0xa7cc, 0xa7cc, 0xa7cd}, {0xa7ce, 0xa7ce, 0xa7cf}, {0xa7d2, 0xa7d2, 0xa7d3},
    {0xa7d4, 0xa7d4, 0xa7d5}, {0xa7da, 0xa7da, 0xa7db}, {0xa7dc, 0xa7dc, 0x19b},
    {0x10d50, 0x10d65, 0x10d70}, {0x16ea0, 0x16eb8, 0x16ebb}};

// Punctuation and marks follow tables that are older than ICU's.
bool known_to_unicode(char32_t code, std::uint8_t version) {
  UVersionInfo age{};
  u_charAge(icu(code), age);
  return age[0] <= version;
}

}  // namespace

bool is_space(char32_t code) { return u_isUWhiteSpace(icu(code)) != 0; }

bool is_word_character(char32_t code) {
  return u_hasBinaryProperty(icu(code), UCHAR_ALPHABETIC) != 0 ||
         u_hasBinaryProperty(icu(code), UCHAR_JOIN_CONTROL) != 0 ||
         has_category(code, U_GC_M_MASK | U_GC_ND_MASK | U_GC_PC_MASK) ||
         is_in(code, kYoungWordCharacters);
}

bool is_punctuation(char32_t code) {
  if (code < 0x80) return u_ispunct(icu(code)) != 0 || has_category(code, U_GC_S_MASK);
  if (code == 0x166d || code == 0x111c9) return true;  // in the older table
  return has_category(code, U_GC_P_MASK) && known_to_unicode(code, 8);
}

bool is_numeric(char32_t code) {
  return has_category(code, U_GC_N_MASK) || is_in(code, kYoungNumbers);
}

bool is_combining_mark(char32_t code) {
  if (code == 0x1cf2 || code == 0x1cf3) return true;  // in the older table
  if (code == 0x111c9) return false;                  // not yet in it
  return has_category(code, U_GC_M_MASK) && known_to_unicode(code, 9);
}

char32_t lower_case(char32_t code) {
  if (code == 0x130) return U'i';
  if (code >= 0x1c89) {
    for (const LowerCase& letters : kYoungLetters) {
      if (code >= letters.first && code <= letters.last)
        return letters.lower + (code - letters.first);
    }
  }
  return static_cast<char32_t>(u_tolower(icu(code)));
}

std::size_t leading(std::string_view text, CharacterTest test) {
  std::size_t length = 0;
  while (length < text.size()) {
    const Character next = first_character(text.substr(length));
    if (!test(next.code)) break;
    length += next.bytes;
  }
  return length;
}

std::size_t trailing_begin(std::string_view text, CharacterTest test) {
  while (!text.empty()) {
    const Character last = last_character(text);
    if (!test(last.code)) break;
    text.remove_suffix(last.bytes);
  }
  return text.size();
}

}  // namespace salf::data
