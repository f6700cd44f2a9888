#include "text/token_text.h"

#include <unicode/uchar.h>
#include <unicode/utf8.h>

#include "tensor/batch.h"

namespace salf::tools {
namespace {

constexpr const char* kLossColour = "\033[1;32m";
constexpr const char* kOtherColour = "\033[2m";
constexpr const char* kPlainColour = "\033[0m";

// Whether the character would move the cursor, hide, or turn the direction of what follows.
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

std::size_t columns_of(UChar32 code) {
  if ((U_GET_GC_MASK(code) & (U_GC_MN_MASK | U_GC_ME_MASK)) != 0) return 0;
  const int width = u_getIntPropertyValue(code, UCHAR_EAST_ASIAN_WIDTH);
  return width == U_EA_WIDE || width == U_EA_FULLWIDTH ? 2 : 1;
}

// Reads the character at `at` and moves `at` behind it. Negative where the bytes are no UTF-8.
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wconversion"  // of ICU's macro
#pragma GCC diagnostic ignored "-Wsign-conversion"
UChar32 next_character(const std::string& bytes, std::int32_t& at) {
  UChar32 code = 0;
  U8_NEXT(bytes.data(), at, static_cast<std::int32_t>(bytes.size()), code);
  return code;
}
#pragma GCC diagnostic pop

// Lines of a width, in colours that go on in the next line.
class Lines {
 public:
  explicit Lines(const TextStyle& style) : style_(style) {}

  void colour(const char* code) {
    if (!style_.colour || colour_ == code) return;
    colour_ = code;
    text_ += code;
  }

  void put(std::string_view piece, std::size_t columns) {
    if (used_ > 0 && used_ + columns > style_.width) {
      text_ += '\n';
      used_ = 0;
    }
    text_ += piece;
    used_ += columns;
  }

  void put_escaped(const std::string& escape) { put(escape, escape.size()); }

  void put_token(const std::string& bytes) {
    const auto size = static_cast<std::int32_t>(bytes.size());
    for (std::int32_t begin = 0, end = 0; begin < size; begin = end) {
      const UChar32 code = next_character(bytes, end);
      const std::string_view piece(bytes.data() + begin, static_cast<std::size_t>(end - begin));
      if (code < 0) {
        for (const char byte : piece)
          put_escaped(
              formatted("\\x%02X", static_cast<unsigned>(static_cast<unsigned char>(byte))));
      } else if (is_hidden(code)) {
        put_escaped(escaped(code));
      } else {
        put(piece, columns_of(code));
      }
    }
  }

  std::string finish() {
    colour(kPlainColour);
    return std::move(text_) + "\n";
  }

 private:
  const TextStyle& style_;
  std::string text_;
  const char* colour_ = nullptr;
  std::size_t used_ = 0;
};

}  // namespace

bool carries_loss(const data::Document& document, std::size_t t) {
  return t > 0 && document.labels[t - 1] != tensor::kNoLabel;
}

std::string token_text(
    const data::Document& document, const data::Tokenizer& tokenizer, const TextStyle& style) {
  Lines lines(style);
  bool open = false;
  for (std::size_t t = 0; t <= document.ids.size(); ++t) {
    const bool loss = t < document.ids.size() && carries_loss(document, t);
    if (!style.colour && open && !loss) lines.put("»", 1);
    if (t == document.ids.size()) break;
    lines.colour(kOtherColour);
    if (t > 0) lines.put("|", 1);
    if (!style.colour && loss && !open) lines.put("«", 1);
    if (loss) lines.colour(kLossColour);
    lines.put_token(tokenizer.decode({document.ids[t]}));
    open = loss;
  }
  return lines.finish();
}

}  // namespace salf::tools
