// Comparison of Jinja templates by the tokens of Jinja's lexer.
#pragma once

#include <string>

namespace salf::data {

// The tokens of a template in one unambiguous text: the pieces of output, and the words, signs and
// strings of each {{ … }} and {% … %}. Jinja is set up as in transformers: trim_blocks and
// lstrip_blocks, the newline at the end dropped. Equal results mean equal templates. A text that is
// not Jinja gives a result too.
std::string jinja_tokens(const std::string& source);

}  // namespace salf::data
