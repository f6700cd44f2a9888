#include <algorithm>
#include <array>
#include <cctype>
#include <cstdio>
#include <utility>

#include "core/log.h"
#include "core/text.h"
#include "data/bad_input.h"
#include "data/text/utf8.h"
#include "data/tokenizer/pattern.h"

namespace salf::data {
namespace {

std::string code_point(char32_t value) {
  std::array<char, 16> text{};
  std::snprintf(text.data(), text.size(), "\\x{%x}", static_cast<unsigned>(value));
  return text.data();
}

class Translator {
 public:
  Translator(const std::string& regex, const std::string& where) : regex_(regex), where_(where) {}

  std::string translate() {
    if (regex_.find("(?i") != std::string::npos) check_caseless();
    while (position_ < regex_.size()) translate_item();
    return std::move(output_);
  }

 private:
  // The characters of a class, or with `negated` all others.
  struct Set {
    std::string members;
    bool negated = false;
  };

  [[noreturn]] void refuse(const std::string& what) const {
    data::refuse(where_, what + " at byte " + std::to_string(position_) + " of the pattern " +
                             core::printable(regex_) + " is not supported");
  }

  // Only Oniguruma folds one letter to several (ss, st, ff …).
  void check_caseless() const {
    const bool ascii = std::all_of(regex_.begin(), regex_.end(),
        [](char letter) { return static_cast<unsigned char>(letter) < 0x80; });
    if (!ascii) refuse("(?i) with letters beyond ASCII");
    const std::string lower = core::ascii_lower(regex_);
    for (const char* pair : {"ss", "st", "ff", "fi", "fl"}) {
      if (lower.find(pair) != std::string::npos) refuse(std::string("(?i) with \"") + pair + '"');
    }
  }

  bool next_is(std::string_view text) const {
    return regex_.compare(position_, text.size(), text) == 0;
  }
  char peek() const { return position_ < regex_.size() ? regex_[position_] : '\0'; }

  // Reads one character. The pattern comes from JSON, so it is valid UTF-8.
  char32_t take() {
    if (position_ >= regex_.size()) refuse("an end within a construct");
    const Character next = first_character(std::string_view(regex_).substr(position_));
    if (next.code == 0) refuse("a NUL byte");
    position_ += next.bytes;
    return next.code;
  }

  void translate_item() {
    switch (peek()) {
      case '\\': return translate_escape();
      case '[': return emit(take_class());
      case '(': return translate_group();
      case ')':
      case '|': output_ += static_cast<char>(take()); return;
      case '?':
      case '*':
      case '+': return translate_quantifier(std::string(1, static_cast<char>(take())), true);
      case '{': return translate_brace();
      case '.': return replace_by("[^\\n]");
      case '^': return replace_by("(?m:^)");
      case '$': return replace_by("(?m:$)");
      default: output_ += code_point(take());
    }
  }

  void replace_by(const char* translation) {
    take();
    output_ += translation;
  }

  void translate_group() {
    static constexpr const char* kOpenings[] = {"(?:", "(?=", "(?!", "(?<=", "(?<!", "(?>", "(?i:"};
    for (const char* opening : kOpenings) {
      if (!next_is(opening)) continue;
      position_ += std::string_view(opening).size();
      output_ += opening;
      return;
    }
    if (next_is("(?i)") && position_ == 0) {  // elsewhere the two libraries differ in its reach
      position_ += 4;
      output_ += "(?i)";
      return;
    }
    if (next_is("(?") || next_is("(*")) refuse("this kind of group");
    take();
    output_ += "(?:";  // nothing refers to groups
  }

  // `suffixes`: in both libraries ? makes the quantifier lazy and + possessive.
  void translate_quantifier(const std::string& quantifier, bool suffixes) {
    output_ += quantifier;
    if (suffixes && (peek() == '?' || peek() == '+')) output_ += static_cast<char>(take());
    if (at_quantifier()) refuse("a quantifier after a quantifier");
    if (peek() == '{' && !brace().empty()) refuse("a quantifier after a quantifier");
  }

  bool at_quantifier() const { return peek() == '?' || peek() == '*' || peek() == '+'; }

  // "{n}", "{n,}" or "{n,m}" at the position; "" if the brace is a plain character.
  std::string brace() const {
    const std::size_t end = regex_.find('}', position_);
    if (end == std::string::npos) return "";
    std::string text = regex_.substr(position_, end + 1 - position_);
    const std::string body = text.substr(1, text.size() - 2);
    if (body.empty() || body.find_first_not_of("0123456789,") != std::string::npos) return "";
    if (body.find(',') != body.rfind(',')) return "";
    return text;
  }

  void translate_brace() {
    const std::string text = brace();
    if (text.empty()) {
      output_ += code_point(take());
      return;
    }
    if (text[1] == ',') refuse("a quantifier without a minimum");
    position_ += text.size();
    if (text.find(',') == std::string::npos) return translate_quantifier(text, false);
    output_ += text;
    if (peek() == '?') output_ += static_cast<char>(take());
    if (at_quantifier()) refuse("a quantifier after a quantifier");
  }

  void translate_escape() {
    if (next_is("\\A") || next_is("\\z")) {
      output_ += regex_.substr(position_, 2);
      position_ += 2;
      return;
    }
    if (const auto set = take_set_escape(false)) return emit(*set);
    output_ += code_point(take_character_escape());
  }

  void emit(const Set& set) { output_ += (set.negated ? "[^" : "[") + set.members + "]"; }

  // Reads \s \S \d \D \w \W \p{..} \P{..}; returns nothing and stays in place for anything else.
  std::optional<Set> take_set_escape(bool in_class) {
    const char letter = position_ + 1 < regex_.size() ? regex_[position_ + 1] : '\0';
    const std::size_t start = position_;
    position_ += 2;
    switch (letter) {
      case 's': return Set{space_members(), false};
      case 'S': return Set{not_space_members(), false};
      case 'd':
      case 'D': return Set{*category_members("Nd"), letter == 'D'};
      case 'w':
      case 'W': return Set{word_members(in_class), letter == 'W'};
      case 'p':
      case 'P': return take_property(letter == 'P');
      default: position_ = start; return std::nullopt;
    }
  }

  Set take_property(bool negated) {
    const std::size_t end = regex_.find('}', position_);
    if (peek() != '{' || end == std::string::npos) refuse("\\p without {…}");
    std::string name = regex_.substr(position_ + 1, end - position_ - 1);
    if (!name.empty() && name[0] == '^') {
      negated = !negated;
      name.erase(0, 1);
    }
    const auto members = category_members(name);
    if (!members) refuse("the property " + core::printable(name));
    position_ = end + 1;
    return Set{*members, negated};
  }

  char32_t take_character_escape() {
    take();
    const char32_t letter = take();
    static constexpr std::u32string_view kNames = U"nrtfvae", kCodes = U"\n\r\t\f\v\a\x1B";
    const std::size_t known = kNames.find(letter);
    if (known != std::u32string_view::npos) return kCodes[known];
    if (letter == 'x') return peek() == '{' ? take_hex_in_braces() : take_hex(2, 0x7F);
    if (letter == 'u') return take_hex(4, 0xFFFF);
    const bool plain = letter < 0x80 && std::ispunct(static_cast<int>(letter)) != 0;
    if (!plain && letter != ' ') {
      position_ -= 1;
      refuse("this escape");
    }
    return letter;
  }

  char32_t take_hex(int digits, char32_t largest) {
    char32_t value = 0;
    for (int i = 0; i < digits; ++i) value = value * 16 + take_hex_digit();
    return checked(value, largest);
  }

  char32_t take_hex_in_braces() {
    take();
    char32_t value = 0;
    while (peek() != '}') {
      value = value * 16 + take_hex_digit();
      checked(value, 0x10FFFF);
    }
    take();
    return value;
  }

  char32_t checked(char32_t value, char32_t largest) const {
    if (value > largest || U_IS_SURROGATE(value)) refuse("this character");
    return value;
  }

  char32_t take_hex_digit() {
    const char32_t digit = take();
    if (digit < 0x80 && std::isdigit(static_cast<int>(digit)) != 0) return digit - '0';
    const char32_t lower = digit | 0x20U;
    if (lower < 'a' || lower > 'f') refuse("this hexadecimal number");
    return lower - 'a' + 10;
  }

  Set take_class() {
    take();
    Set set;
    if (peek() == '^') {
      take();
      set.negated = true;
    }
    if (peek() == ']') refuse("] as the first character of a class");
    while (peek() != ']') take_class_item(set.members);
    take();
    return set;
  }

  void take_class_item(std::string& members) {
    if (peek() == '[') refuse("a class or [:name:] within a class");
    if (next_is("&&")) refuse("&& within a class");
    if (peek() == '\\') {
      if (const auto inner = take_set_escape(true)) {
        if (inner->negated) refuse("a negated set within a class");
        if (peek() == '-' && !next_is("-]")) refuse("a range from a set");
        members += inner->members;
        return;
      }
    }
    const char32_t first = take_class_character();
    members += code_point(first);
    if (peek() != '-' || next_is("-]")) return;
    take();
    const char32_t last = take_class_character();
    if (last < first) refuse("a range that ends before it begins");
    if (peek() == '-' && !next_is("-]")) refuse("a range after a range");
    members += "-" + code_point(last);
  }

  char32_t take_class_character() {
    if (peek() == '[') refuse("a class within a class");
    return peek() == '\\' ? take_character_escape() : take();
  }

  const std::string& regex_;
  const std::string& where_;
  std::size_t position_ = 0;
  std::string output_;
};

}  // namespace

std::string translate_pattern(const std::string& regex, const std::string& where) {
  return Translator(regex, where).translate();
}

}  // namespace salf::data
