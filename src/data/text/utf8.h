// How are the characters of a UTF-8 text read one by one?
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace salf::data {

struct Character {
  char32_t code = 0;
  std::size_t bytes = 0;
};

// REQUIRES: not empty, valid UTF-8
inline Character first_character(std::string_view text) {
  const auto byte = [&](std::size_t i) {
    return static_cast<char32_t>(static_cast<unsigned char>(text[i]));
  };
  const char32_t lead = byte(0);
  if (lead < 0x80) return {lead, 1};
  if (lead < 0xE0) return {(lead & 0x1FU) << 6U | (byte(1) & 0x3FU), 2};
  if (lead < 0xF0) {
    return {(lead & 0x0FU) << 12U | (byte(1) & 0x3FU) << 6U | (byte(2) & 0x3FU), 3};
  }
  return {(lead & 0x07U) << 18U | (byte(1) & 0x3FU) << 12U | (byte(2) & 0x3FU) << 6U |
              (byte(3) & 0x3FU),
      4};
}

// REQUIRES: not empty, valid UTF-8
inline Character last_character(std::string_view text) {
  std::size_t position = text.size() - 1;
  while ((static_cast<unsigned char>(text[position]) & 0xC0U) == 0x80U) --position;
  return first_character(text.substr(position));
}

inline void append_utf8(char32_t code, std::string& text) {
  if (code < 0x80) {
    text += static_cast<char>(code);
    return;
  }
  const auto tail = [&](unsigned shift) {
    text += static_cast<char>(0x80U | (code >> shift & 0x3FU));
  };
  if (code < 0x800) {
    text += static_cast<char>(0xC0U | code >> 6U);
  } else if (code < 0x10000) {
    text += static_cast<char>(0xE0U | code >> 12U);
    tail(6);
  } else {
    text += static_cast<char>(0xF0U | code >> 18U);
    tail(12);
    tail(6);
  }
  tail(0);
}

// `bytes` with U+FFFD for each part that is not UTF-8 (the longest part that could have begun a
// character, as the Unicode standard recommends and Rust's from_utf8_lossy() does).
std::string utf8_or_replacement(std::string_view bytes);

}  // namespace salf::data
