#include "generate/text_stream.h"

#include <algorithm>

#include "core/text.h"

namespace salf::generate {
namespace {

constexpr std::size_t kBefore = 6;  // tokens that may change how the next ones are decoded
constexpr std::size_t kMostOpen = 16;
constexpr const char* kNoCharacter = "\xEF\xBF\xBD";  // U+FFFD

}  // namespace

TextStream::TextStream(const data::Tokenizer& tokenizer, const std::vector<std::int64_t>& before)
    : tokenizer_(tokenizer),
      shown_(before.end() - static_cast<std::ptrdiff_t>(std::min(kBefore, before.size())),
          before.end()) {}

std::string TextStream::add(std::int64_t id) {
  open_.push_back(id);
  return piece(open_.size() >= kMostOpen);
}

std::string TextStream::finish() { return open_.empty() ? "" : piece(true); }

// The text of both without that of the first: a tokenizer may treat the first token of a text in a
// way of its own.
std::string TextStream::piece(bool everything) {
  std::vector<std::int64_t> all = shown_;
  all.insert(all.end(), open_.begin(), open_.end());
  const std::string before = tokenizer_.decode(shown_), text = tokenizer_.decode(all);
  if (!everything && core::ends_with(text, kNoCharacter)) return "";
  shown_ = std::move(open_);
  open_.clear();
  return text.size() > before.size() ? text.substr(before.size()) : "";
}

}  // namespace salf::generate
