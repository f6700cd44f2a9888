// Which characters are letters, marks, punctuation or white space where Hugging Face's tokenizers
// ask Rust and not a split pattern?
#pragma once

#include <cstddef>
#include <string_view>

namespace salf::data {

bool is_space(char32_t code);           // White_Space
bool is_word_character(char32_t code);  // \w of Rust's regexes
bool is_punctuation(char32_t code);     // of the pre_tokenizer Punctuation
bool is_numeric(char32_t code);         // of the pre_tokenizer Digits
bool is_combining_mark(char32_t code);  // of the normalizer StripAccents
char32_t lower_case(char32_t code);     // the first letter of it

// Bytes of white space at the begin of `text` (valid UTF-8).
std::size_t leading_space(std::string_view text);
// Where the white space at the end of `text` begins.
std::size_t trailing_space_begin(std::string_view text);

}  // namespace salf::data
