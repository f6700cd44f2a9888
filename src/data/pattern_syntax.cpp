#include <cctype>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "pattern.h"
#include "salf/core/error.h"
#include "salf/core/log.h"

namespace salf::data {
namespace {

// Note [Unicode versions]
// Oniguruma in Hugging Face's tokenizers knows Unicode 16; PCRE2 10.42 knows Unicode 14. These are
// the characters of each category that came in between, as members of a PCRE2 class. With a newer
// PCRE2 they are there twice, which changes nothing. Made by comparing \p{..} of both libraries
// over all code points.
constexpr const char* kUppercase =
    "\\x{1c89}\\x{a7cb}-\\x{a7cc}\\x{a7da}\\x{a7dc}\\x{10d50}-\\x{10d65}";
constexpr const char* kLowercase =
    "\\x{1c8a}\\x{a7cd}\\x{a7db}\\x{10d70}-\\x{10d85}\\x{1df25}-\\x{1df2a}";
constexpr const char* kModifier =
    "\\x{10d4e}\\x{10d6f}\\x{16d40}-\\x{16d42}\\x{16d6b}-\\x{16d6c}\\x{1e030}-\\x{1e06d}"
    "\\x{1e4eb}";
constexpr const char* kOtherLetter =
    "\\x{105c0}-\\x{105f3}\\x{10d4a}-\\x{10d4d}\\x{10d4f}\\x{10ec2}-\\x{10ec4}"
    "\\x{1123f}-\\x{11240}\\x{11380}-\\x{11389}\\x{1138b}\\x{1138e}\\x{11390}-\\x{113b5}"
    "\\x{113b7}\\x{113d1}\\x{113d3}\\x{11bc0}-\\x{11be0}\\x{11f02}\\x{11f04}-\\x{11f10}"
    "\\x{11f12}-\\x{11f33}\\x{1342f}\\x{13441}-\\x{13446}\\x{13460}-\\x{143fa}"
    "\\x{16100}-\\x{1611d}\\x{16d43}-\\x{16d6a}\\x{18cff}\\x{1b132}\\x{1b155}"
    "\\x{1e4d0}-\\x{1e4ea}\\x{1e5d0}-\\x{1e5ed}\\x{1e5f0}\\x{2b739}\\x{2ebf0}-\\x{2ee5d}"
    "\\x{31350}-\\x{323af}";
constexpr const char* kDigit =
    "\\x{10d40}-\\x{10d49}\\x{116d0}-\\x{116e3}\\x{11bf0}-\\x{11bf9}\\x{11f50}-\\x{11f59}"
    "\\x{16130}-\\x{16139}\\x{16d70}-\\x{16d79}\\x{1ccf0}-\\x{1ccf9}\\x{1e4f0}-\\x{1e4f9}"
    "\\x{1e5f1}-\\x{1e5fa}";
constexpr const char* kOtherNumber = "\\x{1d2c0}-\\x{1d2d3}";
constexpr const char* kMark =
    "\\x{897}\\x{cf3}\\x{ece}\\x{10d69}-\\x{10d6d}\\x{10efc}-\\x{10eff}\\x{11241}"
    "\\x{113b8}-\\x{113c0}\\x{113c2}\\x{113c5}\\x{113c7}-\\x{113ca}\\x{113cc}-\\x{113d0}"
    "\\x{113d2}\\x{113e1}-\\x{113e2}\\x{11f00}-\\x{11f01}\\x{11f03}\\x{11f34}-\\x{11f3a}"
    "\\x{11f3e}-\\x{11f42}\\x{11f5a}\\x{13440}\\x{13447}-\\x{13455}\\x{1611e}-\\x{1612f}"
    "\\x{1e08f}\\x{1e4ec}-\\x{1e4ef}\\x{1e5ee}-\\x{1e5ef}";
constexpr const char* kPunctuation =
    "\\x{1b4e}-\\x{1b4f}\\x{1b7f}\\x{10d6e}\\x{113d4}-\\x{113d5}\\x{113d7}-\\x{113d8}"
    "\\x{11b00}-\\x{11b09}\\x{11be1}\\x{11f43}-\\x{11f4f}\\x{16d6d}-\\x{16d6f}\\x{1e5ff}";
constexpr const char* kSymbol =
    "\\x{2427}-\\x{2429}\\x{2ffc}-\\x{2fff}\\x{31e4}-\\x{31e5}\\x{31ef}\\x{10d8e}-\\x{10d8f}"
    "\\x{1cc00}-\\x{1ccef}\\x{1cd00}-\\x{1ceb3}\\x{1f6dc}\\x{1f774}-\\x{1f776}"
    "\\x{1f77b}-\\x{1f77f}\\x{1f7d9}\\x{1f8b2}-\\x{1f8bb}\\x{1f8c0}-\\x{1f8c1}"
    "\\x{1fa75}-\\x{1fa77}\\x{1fa87}-\\x{1fa89}\\x{1fa8f}\\x{1faad}-\\x{1faaf}"
    "\\x{1fabb}-\\x{1fabf}\\x{1fac6}\\x{1face}-\\x{1facf}\\x{1fada}-\\x{1fadc}\\x{1fadf}"
    "\\x{1fae8}-\\x{1fae9}\\x{1faf7}-\\x{1faf8}\\x{1fbcb}-\\x{1fbef}";
constexpr const char* kHan = "\\x{2b739}\\x{2ebf0}-\\x{2ee5d}\\x{31350}-\\x{323af}";

// White space is Unicode's White_Space; PCRE2's own \s has U+180E too.
constexpr const char* kSpace =
    "\\x{9}-\\x{d}\\x{20}\\x{85}\\x{a0}\\x{1680}\\x{2000}-\\x{200a}\\x{2028}\\x{2029}\\x{202f}"
    "\\x{205f}\\x{3000}";
constexpr const char* kNotSpace =
    "\\x{0}-\\x{8}\\x{e}-\\x{1f}\\x{21}-\\x{84}\\x{86}-\\x{9f}\\x{a1}-\\x{167f}"
    "\\x{1681}-\\x{1fff}\\x{200b}-\\x{2027}\\x{202a}-\\x{202e}\\x{2030}-\\x{205e}"
    "\\x{2060}-\\x{2fff}\\x{3001}-\\x{10ffff}";

// Superscripts and fractions of Latin-1: Oniguruma's \w has them outside a class, but not within.
constexpr const char* kLatinNumbers = "\\x{b2}\\x{b3}\\x{b9}\\x{bc}-\\x{be}";

// The members of a category as a PCRE2 class has them.
std::optional<std::string> category(const std::string& name) {
  const auto letters = [] {
    return std::string("\\p{L}") + kUppercase + kLowercase + kModifier + kOtherLetter;
  };
  if (name == "L") return letters();
  if (name == "Lu") return std::string("\\p{Lu}") + kUppercase;
  if (name == "Ll") return std::string("\\p{Ll}") + kLowercase;
  if (name == "Lt") return std::string("\\p{Lt}");
  if (name == "Lm") return std::string("\\p{Lm}") + kModifier;
  if (name == "Lo") return std::string("\\p{Lo}") + kOtherLetter;
  if (name == "N") return std::string("\\p{N}") + kDigit + kOtherNumber;
  if (name == "Nd") return std::string("\\p{Nd}") + kDigit;
  if (name == "M") return std::string("\\p{M}") + kMark;
  if (name == "P") return std::string("\\p{P}") + kPunctuation;
  if (name == "S") return std::string("\\p{S}") + kSymbol;
  if (name == "Z") return std::string("\\p{Z}");
  if (name == "Han") return std::string("\\p{sc:Han}") + kHan;
  if (name == "word") {
    return letters() + "\\p{Alphabetic}\\p{Pc}\\p{M}" + kMark + "\\p{Nd}" + kDigit;
  }
  return std::nullopt;
}

std::string code_point(char32_t value) {
  constexpr const char* kDigits = "0123456789abcdef";
  std::string digits;
  do {
    digits.insert(digits.begin(), kDigits[value % 16]);
    value /= 16;
  } while (value > 0);
  return "\\x{" + digits + "}";
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
  // A set of characters: members of a class, and whether it is what is left without them.
  struct Set {
    std::string members;
    bool negated = false;
  };

  [[noreturn]] void refuse(const std::string& what) const {
    throw Error(ErrorKind::kBadInput, where_ + ": " + what + " at byte " +
                                          std::to_string(position_) + " of the pattern " +
                                          core::printable(regex_) + " is not supported");
  }

  // Folds of one letter to several (ss, st, ff …) exist in Oniguruma alone.
  void check_caseless() const {
    std::string lower;
    for (const char letter : regex_) {
      const auto byte = static_cast<unsigned char>(letter);
      if (byte >= 0x80) refuse("(?i) with letters beyond ASCII");
      lower += static_cast<char>(std::tolower(byte));
    }
    for (const char* pair : {"ss", "st", "ff", "fi", "fl"}) {
      if (lower.find(pair) != std::string::npos) refuse(std::string("(?i) with \"") + pair + '"');
    }
  }

  bool next_is(std::string_view text) const {
    return regex_.compare(position_, text.size(), text) == 0;
  }
  char peek() const { return position_ < regex_.size() ? regex_[position_] : '\0'; }

  // Reads one character (the pattern is valid UTF-8: it comes from JSON).
  char32_t take() {
    if (position_ >= regex_.size()) refuse("an end within a construct");
    const auto lead = static_cast<unsigned char>(regex_[position_++]);
    if (lead == 0) refuse("a NUL byte");
    if (lead < 0x80) return lead;
    const int more = lead >= 0xF0 ? 3 : lead >= 0xE0 ? 2 : 1;
    char32_t value = lead & (0x3FU >> more);
    for (int i = 0; i < more && position_ < regex_.size(); ++i) {
      value = value << 6 | (static_cast<unsigned char>(regex_[position_++]) & 0x3FU);
    }
    return value;
  }

  void translate_item() {
    switch (peek()) {
      case '\\':
        return translate_escape();
      case '[':
        return emit(take_class());
      case '(':
        return translate_group();
      case ')':
      case '|':
        output_ += static_cast<char>(take());
        return;
      case '?':
      case '*':
      case '+':
        return translate_quantifier(std::string(1, static_cast<char>(take())), true);
      case '{':
        return translate_brace();
      case '.':
        take();
        output_ += "[^\\n]";
        return;
      case '^':
        take();
        output_ += "(?m:^)";
        return;
      case '$':
        take();
        output_ += "(?m:$)";
        return;
      default:
        output_ += code_point(take());
    }
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

  // `suffixes`: ? makes it lazy and + possessive in both libraries.
  void translate_quantifier(const std::string& quantifier, bool suffixes) {
    output_ += quantifier;
    if (suffixes && (peek() == '?' || peek() == '+')) output_ += static_cast<char>(take());
    if (peek() == '?' || peek() == '*' || peek() == '+') refuse("a quantifier after a quantifier");
    if (peek() == '{' && !brace().empty()) refuse("a quantifier after a quantifier");
  }

  // "{n}", "{n,}" or "{n,m}" at the position, or "" where the brace is a character.
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
    if (peek() == '?' || peek() == '*' || peek() == '+') refuse("a quantifier after a quantifier");
  }

  void translate_escape() {
    if (next_is("\\A") || next_is("\\z")) {
      output_ += regex_.substr(position_, 2);
      position_ += 2;
      return;
    }
    const bool word = next_is("\\w") || next_is("\\W");
    if (auto set = take_set_escape()) {
      if (word) set->members += kLatinNumbers;
      return emit(*set);
    }
    output_ += code_point(take_character_escape());
  }

  void emit(const Set& set) { output_ += (set.negated ? "[^" : "[") + set.members + "]"; }

  // \s \S \d \D \w \W \p{..} \P{..}, or nothing (and the position stays).
  std::optional<Set> take_set_escape() {
    const char letter = position_ + 1 < regex_.size() ? regex_[position_ + 1] : '\0';
    const std::size_t start = position_;
    position_ += 2;
    switch (letter) {
      case 's':
        return Set{kSpace, false};
      case 'S':
        return Set{kNotSpace, false};
      case 'd':
      case 'D':
        return Set{*category("Nd"), letter == 'D'};
      case 'w':
      case 'W':
        return Set{*category("word"), letter == 'W'};
      case 'p':
      case 'P':
        return take_property(letter == 'P');
      default:
        position_ = start;
        return std::nullopt;
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
    const auto members = category(name);
    if (!members || name == "word") refuse("the property " + core::printable(name));
    position_ = end + 1;
    return Set{*members, negated};
  }

  char32_t take_character_escape() {
    take();
    const char32_t letter = take();
    switch (letter) {
      case 'n':
        return '\n';
      case 'r':
        return '\r';
      case 't':
        return '\t';
      case 'f':
        return '\f';
      case 'v':
        return '\v';
      case 'a':
        return '\a';
      case 'e':
        return 0x1B;
      case 'x':
        return peek() == '{' ? take_hex_in_braces() : take_hex(2, 0x7F);
      case 'u':
        return take_hex(4, 0xFFFF);
      default:
        break;
    }
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
    if (value > largest || (value >= 0xD800 && value < 0xE000)) refuse("this character");
    return value;
  }

  char32_t take_hex_in_braces() {
    take();
    char32_t value = 0;
    while (peek() != '}') {
      value = value * 16 + take_hex_digit();
      if (value > 0x10FFFF) refuse("this character");
    }
    take();
    if (value >= 0xD800 && value < 0xE000) refuse("this character");
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
      if (const auto inner = take_set_escape()) {
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
