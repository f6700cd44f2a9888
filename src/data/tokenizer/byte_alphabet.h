// Bytes as text in a vocabulary: GPT-2's alphabet, one printable character for each of the 256
// bytes (Radford et al. 2019), and the tokens of byte fallback.
#pragma once

#include <array>
#include <optional>
#include <string>
#include <string_view>

namespace salf::data {

// The character (UTF-8) of each byte.
const std::array<std::string, 256>& byte_alphabet();

// The bytes that `token` stands for, or nothing if a character is not in the alphabet.
std::optional<std::string> bytes_of_token(std::string_view token);

// "<0x0A>": the token of a byte in byte fallback.
std::string fallback_token(unsigned char byte);

}  // namespace salf::data
