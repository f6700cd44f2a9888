// The words of the page in both languages (texts.inc).
#pragma once

#include "types/reason.h"

namespace salf::report {

using types::Text;

enum class Word {
#define SALF_TEXT(id, en, ja) id,
#define SALF_TERM(id, en, ja, explained_en, explained_ja) id,
#include "report/page/texts.inc"
#undef SALF_TEXT
#undef SALF_TERM
};

const Text& text(Word word);
// A term's one-line explanation; empty for other words.
const Text& explanation(Word word);

}  // namespace salf::report
