#include "data/chat/python_text.h"

#include <charconv>
#include <cmath>
#include <cstdio>
#include <iterator>

#include "core/text.h"
#include "data/text/character_classes.h"

namespace salf::data {
namespace {

bool is_python_space(char32_t code) { return is_space(code) || (code >= 0x1C && code <= 0x1F); }

std::string digits(double value, std::chars_format format) {
  char text[40];
  const auto end = std::to_chars(std::begin(text), std::end(text), value, format).ptr;
  return {text, end};
}

}  // namespace
}  // namespace salf::data

std::string salf_python_float(double value) {
  if (std::isnan(value)) return "NaN";
  if (std::isinf(value)) return value > 0 ? "Infinity" : "-Infinity";
  const std::string shortest = salf::data::digits(value, std::chars_format::scientific);
  const int exponent = std::stoi(shortest.substr(shortest.find('e') + 1));
  if (exponent < -4 || exponent >= 16) return shortest;
  const std::string fixed = salf::data::digits(value, std::chars_format::fixed);
  return fixed.find('.') == std::string::npos ? fixed + ".0" : fixed;
}

std::string salf_python_repr(const std::string& text) {
  const bool doubled = text.find('\'') != std::string::npos && text.find('"') == std::string::npos;
  const char quote = doubled ? '"' : '\'';
  std::string result(1, quote);
  for (const char c : text) {
    const auto code = static_cast<unsigned char>(c);
    if (c == '\n') {
      result += "\\n";
    } else if (c == '\r') {
      result += "\\r";
    } else if (c == '\t') {
      result += "\\t";
    } else if (code < 0x20 || code == 0x7F) {
      char escape[5];
      std::snprintf(escape, sizeof escape, "\\x%02x", code);
      result += escape;
    } else {
      if (c == quote || c == '\\') result += '\\';
      result += c;
    }
  }
  return result + quote;
}

std::string salf_python_strip(const std::string& text, bool left, bool right) {
  if (salf::core::invalid_utf8(text)) return text;
  std::string_view rest = text;
  if (left) rest.remove_prefix(salf::data::leading(rest, salf::data::is_python_space));
  if (right) rest = rest.substr(0, salf::data::trailing_begin(rest, salf::data::is_python_space));
  return std::string(rest);
}
