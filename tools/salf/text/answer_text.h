// Texts that models wrote, for a terminal.
#pragma once

#include <string>
#include <vector>

#include "text/columns.h"
#include "types/generation.h"

namespace salf::tools {

// The lines of a text of unknown origin, each of at most `width` columns.
std::vector<std::string> text_lines(const std::string& text, std::size_t width);

struct TitledText {
  std::string title;
  std::string text;
};
// Both beside each other where `width` has room for two columns, else one below the other.
std::string side_by_side(const TitledText& first, const TitledText& second, std::size_t width);

// Prompt, reference and the answers before and after a run, each shortened.
std::string answers_text(const types::RunAnswers& answers, const TextStyle& style);

}  // namespace salf::tools
