#include "text/token_text.h"

#include "tensor/batch.h"
#include "text/columns.h"
#include "text/terminal_text.h"

namespace salf::tools {
namespace {

constexpr const char* kLossColour = "\033[1;32m";
constexpr const char* kOtherColour = "\033[2m";
constexpr const char* kPlainColour = "\033[0m";

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

  void put_token(const std::string& bytes) {
    for (std::size_t at = 0; at < bytes.size();) {
      const TerminalCharacter character = next_character(bytes, at);
      put(character.text, character.columns);
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
