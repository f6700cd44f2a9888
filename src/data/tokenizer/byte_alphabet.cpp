#include "data/tokenizer/byte_alphabet.h"

#include <cstdint>

#include "data/text/utf8.h"

namespace salf::data {
namespace {

// The code point of a byte: printable Latin-1 stays, the other bytes follow from U+0100 on.
const std::array<char32_t, 256>& alphabet_codes() {
  static const std::array<char32_t, 256> codes = [] {
    std::array<char32_t, 256> table{};
    char32_t next = 0x100;
    for (char32_t byte = 0; byte < 256; ++byte) {
      const bool printable = (byte >= 0x21 && byte <= 0x7E) || (byte >= 0xA1 && byte != 0xAD);
      table[byte] = printable ? byte : next++;
    }
    return table;
  }();
  return codes;
}

// The byte of a code point, or -1.
const std::array<std::int16_t, 0x200>& alphabet_bytes() {
  static const std::array<std::int16_t, 0x200> bytes = [] {
    std::array<std::int16_t, 0x200> table{};
    table.fill(-1);
    for (std::size_t byte = 0; byte < 256; ++byte)
      table[alphabet_codes()[byte]] = static_cast<std::int16_t>(byte);
    return table;
  }();
  return bytes;
}

}  // namespace

const std::array<std::string, 256>& byte_alphabet() {
  static const std::array<std::string, 256> alphabet = [] {
    std::array<std::string, 256> letters;
    for (std::size_t byte = 0; byte < 256; ++byte)
      append_utf8(alphabet_codes()[byte], letters[byte]);
    return letters;
  }();
  return alphabet;
}

std::optional<std::string> bytes_of_token(std::string_view token) {
  std::string bytes;
  while (!token.empty()) {
    const Character letter = first_character(token);
    if (letter.code >= alphabet_bytes().size()) return std::nullopt;
    const std::int16_t byte = alphabet_bytes()[letter.code];
    if (byte < 0) return std::nullopt;
    bytes += static_cast<char>(byte);
    token.remove_prefix(letter.bytes);
  }
  return bytes;
}

std::string fallback_token(unsigned char byte) {
  constexpr const char* kDigits = "0123456789ABCDEF";
  return std::string("<0x") + kDigits[byte / 16] + kDigits[byte % 16] + ">";
}

}  // namespace salf::data
