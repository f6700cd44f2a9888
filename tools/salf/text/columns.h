// Text for a terminal: columns, lines of a width, colour, and small charts in plain ASCII.
#pragma once

#include <array>
#include <cstddef>
#include <cstdio>
#include <string>
#include <vector>

namespace salf::tools {

// Columns before the value in named().
constexpr std::size_t kNameWidth = 16;

// The width of lines, and whether headings are bold and bars coloured.
struct TextStyle {
  std::size_t width = 80;
  bool colour = false;
};

// Columns of the terminal behind a file descriptor; 80 where there is none.
std::size_t terminal_columns(int file);
// Colour is for terminals alone, and not used where TERM is dumb or NO_COLOR is set.
TextStyle style_of_stdout();
std::string heading(const std::string& text, const TextStyle& style);
std::string painted(const std::string& bar, const TextStyle& style);

// Each character counts as one column, however many bytes it has.
std::size_t columns_of(const std::string& text);
// Padded with spaces to `width` columns; longer text stays as it is.
std::string left(const std::string& text, std::size_t width);
std::string right(const std::string& text, std::size_t width);
// Without the spaces at its end.
std::string trimmed(std::string text);
// At most `width` columns; "…" stands for what was cut.
std::string shortened(const std::string& text, std::size_t width);

// Lines of at most `width` columns, broken at spaces. Only a longer word is broken.
std::vector<std::string> wrapped(const std::string& text, std::size_t width);
std::string paragraph(const std::string& text, std::size_t width);

// A line with a name and a value.
std::string named(
    const std::string& name, const std::string& value, std::size_t width = kNameWidth);

// What snprintf makes of the values.
template <class... Values> std::string formatted(const char* format, Values... values) {
  std::array<char, 256> buffer{};
  std::snprintf(buffer.data(), buffer.size(), format, values...);
  return buffer.data();
}

// A curve of `height` lines of at most `width` columns, y's range at its left, x's below it. Points
// that are not finite are left out; "" where nothing is left. Columns hold the mean of their
// points. REQUIRES: x and y of one length, x ascending, width ≥ 30, height ≥ 3
std::string text_curve(const std::vector<double>& x, const std::vector<double>& y,
    std::size_t width, std::size_t height);

// `width` columns with `share` (0 … 1) of them filled, such as "####      ". A share above 0 has
// one sign at least.
std::string text_bar(double share, std::size_t width);

// From one sign for a share of 0 to `width` signs for 1, without spaces.
std::string short_bar(double share, std::size_t width);

}  // namespace salf::tools
