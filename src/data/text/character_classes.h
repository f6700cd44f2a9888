// Classes of characters as Rust defines them for Hugging Face's tokenizers.
#pragma once

#include <cstddef>
#include <string_view>

namespace salf::data {

using CharacterTest = bool (*)(char32_t code);

bool is_space(char32_t code);           // White_Space
bool is_word_character(char32_t code);  // \w of Rust's regexes
bool is_punctuation(char32_t code);     // for the pre_tokenizer Punctuation
bool is_numeric(char32_t code);         // for the pre_tokenizer Digits
bool is_combining_mark(char32_t code);  // for the normalizer StripAccents
char32_t lower_case(char32_t code);     // the first letter of the lower case

// Bytes of the characters of a class at the begin of `text` (valid UTF-8).
std::size_t leading(std::string_view text, CharacterTest test);
// Byte at which the characters of a class at the end of `text` begin.
std::size_t trailing_begin(std::string_view text, CharacterTest test);

}  // namespace salf::data
