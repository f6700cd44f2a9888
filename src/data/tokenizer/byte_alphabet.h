// How are bytes written as text in a byte-level vocabulary? GPT-2's alphabet: one printable
// character for each of the 256 bytes (Radford et al. 2019).
#pragma once

#include <array>
#include <optional>
#include <string>
#include <string_view>

namespace salf::data {

// The bytes that `token` stands for, or nothing if it has characters that are not in the alphabet.
std::optional<std::string> bytes_of_token(std::string_view token);

// How bytes are written, one character (UTF-8) for each.
const std::array<std::string, 256>& byte_alphabet();

// "<0x0A>": how byte fallback writes a byte.
std::string fallback_token(unsigned char byte);

}  // namespace salf::data
