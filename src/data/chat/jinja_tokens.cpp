#include <algorithm>

#include "data/chat/chat_template.h"

namespace salf::data {
namespace {

constexpr std::string_view kWhiteSpace = " \t\r\n\v\f";

// Jinja reads "\r\n" and "\r" as "\n", and drops one newline at the end.
std::string with_plain_newlines(const std::string& source) {
  std::string text;
  for (std::size_t i = 0; i < source.size(); ++i) {
    if (source[i] == '\n' && i > 0 && source[i - 1] == '\r') continue;
    text += source[i] == '\r' ? '\n' : source[i];
  }
  if (!text.empty() && text.back() == '\n') text.pop_back();
  return text;
}

bool is_word(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
         static_cast<unsigned char>(c) >= 0x80;
}

// The meaning of "\" and `c` in a string.
std::string unescaped(char c) {
  constexpr std::string_view kNames = "ntr\\'\"", kMeanings = "\n\t\r\\'\"";
  const std::size_t known = kNames.find(c);
  return known == std::string_view::npos ? std::string{'\\', c} : std::string{kMeanings[known]};
}

class JinjaLexer {
 public:
  explicit JinjaLexer(const std::string& source) : text_(with_plain_newlines(source)) {}

  std::string tokens() {
    while (place_ < text_.size()) {
      const std::optional<std::size_t> tag = find_tag();
      read_output(tag);
      if (tag) read_tag();
    }
    end_output();
    return std::move(result_);
  }

 private:
  // The next "{{", "{%" or "{#".
  std::optional<std::size_t> find_tag() const {
    for (std::size_t i = text_.find('{', place_); i != std::string::npos;
         i = text_.find('{', i + 1)) {
      if (i + 1 < text_.size() &&
          std::string_view("{%#").find(text_[i + 1]) != std::string_view::npos)
        return i;
    }
    return std::nullopt;
  }

  void read_output(std::optional<std::size_t> tag) {
    std::string piece = text_.substr(place_, tag.value_or(text_.size()) - place_);
    const std::size_t begin = place_;
    place_ = tag.value_or(text_.size());
    if (tag) strip_before(*tag, begin, piece);
    output_ += piece;
  }

  // "-" removes all white space before a tag. lstrip_blocks removes that between the start of a
  // line and a block.
  void strip_before(std::size_t tag, std::size_t begin, std::string& piece) const {
    const char sign = tag + 2 < text_.size() ? text_[tag + 2] : '\0';
    if (sign == '-') {
      piece.erase(piece.find_last_not_of(kWhiteSpace) + 1);
    } else if (text_[tag + 1] != '{' && sign != '+') {
      const std::size_t kept = piece.find_last_not_of(" \t") + 1;
      const bool line_start =
          kept > 0 ? piece[kept - 1] == '\n' : begin == 0 || text_[begin - 1] == '\n';
      if (line_start) piece.erase(kept);
    }
  }

  void read_tag() {
    const char kind = text_[place_ + 1];
    place_ += 2;
    if (place_ < text_.size() && (text_[place_] == '-' || text_[place_] == '+')) ++place_;
    if (kind == '#') {
      const std::size_t end = text_.find("#}", place_);
      const bool strip = end != std::string::npos && end > 0 && text_[end - 1] == '-';
      place_ = end == std::string::npos ? text_.size() : end + 2;
      return strip_after(strip, true);
    }
    end_output();
    result_ += kind == '{' ? "{{" : "{%";
    const bool strip = read_inside(kind == '{' ? "}}" : "%}");
    strip_after(strip, kind == '%');
  }

  // Reads up to `end` and including it. True if "-" stands before it.
  bool read_inside(std::string_view end) {
    while (place_ < text_.size()) {
      const char c = text_[place_];
      const bool strip = c == '-' && text_.compare(place_ + 1, 2, end) == 0;
      if (strip || text_.compare(place_, 2, end) == 0) {
        place_ += strip ? 3 : 2;
        result_ += "}\n";
        return strip;
      }
      if (kWhiteSpace.find(c) != std::string_view::npos) {
        ++place_;
      } else if (c == '\'' || c == '"') {
        read_string();
      } else {
        read_word();
      }
    }
    return false;
  }

  void read_string() {
    const char quote = text_[place_++];
    std::string value;
    while (place_ < text_.size() && text_[place_] != quote) {
      if (text_[place_] == '\\' && place_ + 1 < text_.size()) {
        value += unescaped(text_[place_ + 1]);
        ++place_;
      } else {
        value += text_[place_];
      }
      ++place_;
    }
    ++place_;
    result_ += " s" + std::to_string(value.size()) + ":" + value;
  }

  void read_word() {
    const std::size_t begin = place_++;
    while (is_word(text_[begin]) && place_ < text_.size() && is_word(text_[place_])) ++place_;
    result_ += ' ' + text_.substr(begin, place_ - begin);
  }

  // trim_blocks removes the newline after a block.
  void strip_after(bool all, bool is_block) {
    if (all) {
      place_ = std::min(text_.find_first_not_of(kWhiteSpace, place_), text_.size());
    } else if (is_block && place_ < text_.size() && text_[place_] == '\n') {
      ++place_;
    }
  }

  void end_output() {
    if (!output_.empty()) result_ += "o" + std::to_string(output_.size()) + ":" + output_ + "\n";
    output_.clear();
  }

  std::string text_;
  std::size_t place_ = 0;
  std::string output_;  // since the last tag that is no comment
  std::string result_;
};

}  // namespace

std::string jinja_tokens(const std::string& source) { return JinjaLexer(source).tokens(); }

}  // namespace salf::data
