// Text of unknown origin for a terminal.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace salf::tools {

// One character of a text, or one byte that is not UTF-8.
struct TerminalCharacter {
  std::string text;         // as a terminal may show it: \n, \x1B or \u{202E} for a hidden one
  std::size_t columns = 1;  // that it takes
  bool hidden = false;      // it would move the cursor, not show, or turn the direction of others
  std::int32_t code = -1;   // negative where the byte is not UTF-8
};

// The character at `at`; moves `at` behind it. REQUIRES: at < bytes.size()
TerminalCharacter next_character(const std::string& bytes, std::size_t& at);

// The text without what could move a terminal's cursor, change its colours or hide: such characters
// stand as \x1B or \u{202E}. Line ends, tabs and the joiners that some scripts need stay.
std::string terminal_text(const std::string& text);

}  // namespace salf::tools
