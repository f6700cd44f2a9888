#include "text/columns.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>

namespace salf::tools {
namespace {

bool begins_character(char c) { return (static_cast<unsigned char>(c) & 0xC0U) != 0x80U; }

// The length in bytes of the first `columns` characters.
std::size_t length_of(const std::string& text, std::size_t columns) {
  std::size_t end = 0;
  for (std::size_t seen = 0; end < text.size(); ++end) {
    if (begins_character(text[end]) && seen++ == columns) break;
  }
  return end;
}

std::string spaces_for(const std::string& text, std::size_t width) {
  return std::string(width - std::min(width, columns_of(text)), ' ');
}

std::string variable(const char* name) {
  const char* const value = std::getenv(name);
  return value == nullptr ? "" : value;
}

}  // namespace

std::size_t terminal_columns(int file) {
  winsize size{};
  return ::ioctl(file, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col : 80;
}

TextStyle style_of_stdout() {
  const std::string terminal = variable("TERM");
  const bool colour = ::isatty(STDOUT_FILENO) == 1 && variable("NO_COLOR").empty() &&
                      !terminal.empty() && terminal != "dumb";
  return {terminal_columns(STDOUT_FILENO), colour};
}

std::string heading(const std::string& text, const TextStyle& style) {
  return "\n" + (style.colour ? "\033[1m" + text + "\033[0m" : text) + "\n";
}

std::string painted(const std::string& bar, const TextStyle& style) {
  return style.colour ? "\033[36m" + bar + "\033[0m" : bar;
}

std::size_t columns_of(const std::string& text) {
  return static_cast<std::size_t>(std::count_if(text.begin(), text.end(), begins_character));
}

std::string left(const std::string& text, std::size_t width) {
  return text + spaces_for(text, width);
}

std::string right(const std::string& text, std::size_t width) {
  return spaces_for(text, width) + text;
}

std::string trimmed(std::string text) {
  text.erase(text.find_last_not_of(' ') + 1);
  return text;
}

std::string shortened(const std::string& text, std::size_t width) {
  if (columns_of(text) <= width) return text;
  return text.substr(0, length_of(text, width - 1)) + "…";
}

std::vector<std::string> wrapped(const std::string& text, std::size_t width) {
  std::vector<std::string> lines(1);
  for (std::size_t begin = 0; begin < text.size();) {
    const std::size_t end = std::min(text.find(' ', begin), text.size());
    const std::string word = text.substr(begin, end - begin);
    if (!lines.back().empty() && columns_of(lines.back()) + 1 + columns_of(word) > width)
      lines.emplace_back();
    lines.back() += (lines.back().empty() ? "" : " ") + word;
    while (columns_of(lines.back()) > width) {
      const std::size_t length = length_of(lines.back(), width);
      if (length == 0) break;  // a character that is wider than a line
      const std::string rest = lines.back().substr(length);
      lines.back().resize(length);
      lines.push_back(rest);
    }
    begin = end + 1;
  }
  return lines;
}

std::string paragraph(const std::string& text, std::size_t width) {
  std::string result;
  for (const std::string& line : wrapped(text, width)) result += line + "\n";
  return result;
}

std::string named(const std::string& name, const std::string& value, std::size_t width) {
  return left(name, width) + value + "\n";
}

}  // namespace salf::tools
