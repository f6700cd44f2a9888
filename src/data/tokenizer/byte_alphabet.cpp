#include "data/tokenizer/byte_alphabet.h"

#include <cstddef>
#include <cstdint>

namespace salf::data {
namespace {

std::string utf8_below_0x800(std::uint32_t code) {
  if (code < 0x80) return std::string(1, static_cast<char>(code));
  return {static_cast<char>(0xC0U | code >> 6U), static_cast<char>(0x80U | (code & 0x3FU))};
}

// The code points of the alphabet: printable Latin-1 as itself, the other bytes from U+0100 on.
std::array<std::uint32_t, 256> alphabet_codes() {
  std::array<std::uint32_t, 256> codes{};
  std::uint32_t next = 0x100;
  for (std::uint32_t byte = 0; byte < 256; ++byte) {
    const bool printable = (byte >= 0x21 && byte <= 0x7E) || (byte >= 0xA1 && byte != 0xAD);
    codes[byte] = printable ? byte : next++;
  }
  return codes;
}

// Code point -> byte, or -1.
const std::array<std::int16_t, 0x200>& alphabet_bytes() {
  static const std::array<std::int16_t, 0x200> bytes = [] {
    std::array<std::int16_t, 0x200> table{};
    table.fill(-1);
    const auto codes = alphabet_codes();
    for (std::size_t byte = 0; byte < 256; ++byte)
      table[codes[byte]] = static_cast<std::int16_t>(byte);
    return table;
  }();
  return bytes;
}

}  // namespace

const std::array<std::string, 256>& byte_alphabet() {
  static const std::array<std::string, 256> alphabet = [] {
    std::array<std::string, 256> letters;
    const auto codes = alphabet_codes();
    for (std::size_t byte = 0; byte < 256; ++byte) letters[byte] = utf8_below_0x800(codes[byte]);
    return letters;
  }();
  return alphabet;
}

std::optional<std::string> bytes_of_token(std::string_view token) {
  std::string bytes;
  for (std::size_t i = 0; i < token.size(); ++i) {
    std::uint32_t code = static_cast<unsigned char>(token[i]);
    if (code >= 0x80) {
      const bool two_bytes = (code & 0xE0U) == 0xC0U && i + 1 < token.size();
      if (!two_bytes) return std::nullopt;
      code = (code & 0x1FU) << 6U | (static_cast<unsigned char>(token[++i]) & 0x3FU);
    }
    const std::int16_t byte =
        code < alphabet_bytes().size() ? alphabet_bytes()[code] : std::int16_t{-1};
    if (byte < 0) return std::nullopt;
    bytes += static_cast<char>(byte);
  }
  return bytes;
}

std::string fallback_token(unsigned char byte) {
  constexpr const char* kDigits = "0123456789ABCDEF";
  return std::string("<0x") + kDigits[byte / 16] + kDigits[byte % 16] + ">";
}

}  // namespace salf::data
