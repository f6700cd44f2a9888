// When do two Jinja templates say the same? When Jinja's lexer gives the same tokens for both.
#pragma once

#include <string>

namespace salf::data {

// The tokens of a template in one unambiguous text: pieces of output, and the words, signs and
// strings of each
// {{ … }} and {% … %}. Read as transformers sets Jinja up: trim_blocks and lstrip_blocks, the
// newline at the end dropped. A text that is not Jinja gives something, too: equal results mean
// equal templates, no more.
std::string jinja_tokens(const std::string& source);

}  // namespace salf::data
