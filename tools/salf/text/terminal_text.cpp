#include "text/terminal_text.h"

#include <unicode/uchar.h>
#include <unicode/utf8.h>

#include "text/columns.h"

namespace salf::tools {
namespace {

bool is_hidden(UChar32 code) {
  constexpr std::uint32_t kHidden = U_GC_CC_MASK | U_GC_CF_MASK | U_GC_ZL_MASK | U_GC_ZP_MASK |
                                    U_GC_CN_MASK | U_GC_CO_MASK | U_GC_CS_MASK;
  return (U_GET_GC_MASK(code) & kHidden) != 0;
}

std::string escaped(UChar32 code) {
  if (code == '\n') return "\\n";
  if (code == '\r') return "\\r";
  if (code == '\t') return "\\t";
  return formatted(code < 0x80 ? "\\x%02X" : "\\u{%04X}", static_cast<unsigned>(code));
}

std::size_t width_of(UChar32 code) {
  if ((U_GET_GC_MASK(code) & (U_GC_MN_MASK | U_GC_ME_MASK)) != 0) return 0;
  const int width = u_getIntPropertyValue(code, UCHAR_EAST_ASIAN_WIDTH);
  return width == U_EA_WIDE || width == U_EA_FULLWIDTH ? 2 : 1;
}

// Negative where the bytes are no UTF-8.
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wconversion"  // of ICU's macro
#pragma GCC diagnostic ignored "-Wsign-conversion"
UChar32 read_character(const std::string& bytes, std::size_t& at) {
  UChar32 code = 0;
  U8_NEXT(bytes.data(), at, bytes.size(), code);
  return code;
}
#pragma GCC diagnostic pop

// Zero-width joiners of Persian, Indic scripts and emoji.
bool is_joiner(std::int32_t code) { return code == 0x200C || code == 0x200D; }

}  // namespace

TerminalCharacter next_character(const std::string& bytes, std::size_t& at) {
  const std::size_t begin = at;
  TerminalCharacter character;
  character.code = read_character(bytes, at);
  character.hidden = character.code < 0 || is_hidden(character.code);
  if (character.code < 0) {
    for (std::size_t i = begin; i < at; ++i)
      character.text +=
          formatted("\\x%02X", static_cast<unsigned>(static_cast<unsigned char>(bytes[i])));
  } else if (character.hidden) {
    character.text = escaped(character.code);
  } else {
    character.text = bytes.substr(begin, at - begin);
  }
  character.columns = character.hidden ? character.text.size() : width_of(character.code);
  return character;
}

std::string terminal_text(const std::string& text) {
  std::string out;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t begin = at;
    const TerminalCharacter character = next_character(text, at);
    const bool kept = character.code == '\n' || character.code == '\t' || is_joiner(character.code);
    out += kept ? text.substr(begin, at - begin) : character.text;
  }
  return out;
}

}  // namespace salf::tools
