// Single characters of a UTF-8 text, and errors of ICU.
#pragma once

#include <unicode/utf.h>
#include <unicode/utypes.h>

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "core/error.h"

namespace salf::data {

struct Character {
  char32_t code = 0;
  std::size_t bytes = 0;
};

// REQUIRES: not empty, valid UTF-8
inline Character first_character(std::string_view text) {
  std::size_t bytes = 0;
  UChar32 code = 0;
  U8_NEXT_UNSAFE(text, bytes, code);
  return {static_cast<char32_t>(code), bytes};
}

// REQUIRES: not empty, valid UTF-8
inline Character last_character(std::string_view text) {
  std::size_t begin = text.size();
  U8_BACK_1_UNSAFE(text, begin);
  return first_character(text.substr(begin));
}

inline bool begins_character(char byte) { return !U8_IS_TRAIL(byte); }

inline void append_utf8(char32_t code, std::string& text) {
  std::uint8_t bytes[U8_MAX_LENGTH];
  std::size_t size = 0;
  U8_APPEND_UNSAFE(bytes, size, code);
  text.append(bytes, bytes + size);
}

inline void check_icu(UErrorCode status) {
  if (U_FAILURE(status) == 0) return;
  throw Error(
      ErrorKind::kInternal, std::string("Unicode normalisation failed: ") + u_errorName(status));
}

}  // namespace salf::data
