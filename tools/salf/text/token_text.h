// Documents as tokens.
#pragma once

#include "data/rows/dataset.h"
#include "text/columns.h"

namespace salf::tools {

// Whether token `t` of the document is a label.
bool carries_loss(const data::Document& document, std::size_t t);

// The tokens with "|" between them, in lines of the style's width. Tokens that carry loss are
// green, or stand between « and » without colour. Control characters, invisible ones and bytes that
// are no UTF-8 are shown as escapes.
std::string token_text(
    const data::Document& document, const data::Tokenizer& tokenizer, const TextStyle& style);

}  // namespace salf::tools
