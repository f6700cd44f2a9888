#include "data/text/utf8.h"

#include "core/text.h"

namespace salf::data {
namespace {

// How many bytes at the begin of `bytes` could have begun a character: at least 1.
std::size_t broken_length(std::string_view bytes) {
  const auto lead = static_cast<unsigned char>(bytes[0]);
  const std::size_t length = lead < 0xC2   ? 1
                             : lead < 0xE0 ? 2
                             : lead < 0xF0 ? 3
                             : lead < 0xF5 ? 4
                                           : 1;
  std::size_t end = 1;
  while (end < length && end < bytes.size()) {
    const auto next = static_cast<unsigned char>(bytes[end]);
    unsigned char low = 0x80;
    unsigned char high = 0xBF;
    if (end == 1 && lead == 0xE0) low = 0xA0;
    if (end == 1 && lead == 0xED) high = 0x9F;
    if (end == 1 && lead == 0xF0) low = 0x90;
    if (end == 1 && lead == 0xF4) high = 0x8F;
    if (next < low || next > high) break;
    ++end;
  }
  return end;
}

}  // namespace

std::string utf8_or_replacement(std::string_view bytes) {
  std::string text;
  while (const auto invalid = core::invalid_utf8(bytes)) {
    text.append(bytes.substr(0, *invalid));
    text += "\xEF\xBF\xBD";
    bytes.remove_prefix(*invalid);
    bytes.remove_prefix(broken_length(bytes));
  }
  return text.append(bytes);
}

}  // namespace salf::data
