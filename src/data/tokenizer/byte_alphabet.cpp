#include "data/tokenizer/byte_alphabet.h"

#include <cstdint>

#include "data/text/utf8.h"

namespace salf::data {
namespace {

struct Alphabet {
  std::array<std::string, 256> letters;     // of each byte
  std::array<std::int16_t, 0x200> bytes{};  // of each code point, or -1
};

// Printable Latin-1 stays, the other bytes follow from U+0100 on.
const Alphabet& alphabet() {
  static const Alphabet whole = [] {
    Alphabet made;
    made.bytes.fill(-1);
    char32_t next = 0x100;
    for (char32_t byte = 0; byte < 256; ++byte) {
      const bool printable = (byte >= 0x21 && byte <= 0x7E) || (byte >= 0xA1 && byte != 0xAD);
      const char32_t code = printable ? byte : next++;
      append_utf8(code, made.letters[byte]);
      made.bytes[code] = static_cast<std::int16_t>(byte);
    }
    return made;
  }();
  return whole;
}

}  // namespace

const std::array<std::string, 256>& byte_alphabet() { return alphabet().letters; }

std::optional<std::string> bytes_of_token(std::string_view token) {
  std::string bytes;
  while (!token.empty()) {
    const Character letter = first_character(token);
    if (letter.code >= alphabet().bytes.size()) return std::nullopt;
    const std::int16_t byte = alphabet().bytes[letter.code];
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
