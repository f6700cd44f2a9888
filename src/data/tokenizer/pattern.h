// Where does a split pattern match? Hugging Face's patterns are Oniguruma's; here PCRE2 runs them,
// after a translation that keeps their meaning or refuses.
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace salf::data {

// A part of a text: begin and end are bytes.
struct Span {
  std::size_t begin = 0;
  std::size_t end = 0;
  bool is_match = false;
};

// Thread-safe for concurrent find().
class Pattern {
 public:
  // `regex` in Oniguruma's syntax. `where` (file and JSON path) starts each message.
  // Throws Error(kBadInput) for what is not a regex, or is one whose meaning PCRE2 does not share.
  Pattern(const std::string& regex, const std::string& where);
  ~Pattern();
  Pattern(Pattern&&) noexcept;
  Pattern& operator=(Pattern&&) noexcept;

  // Covers `text` (valid UTF-8) by matches and what lies between them, in order.
  // Throws Error(kBadInput) when the pattern needs too many steps.
  void find(std::string_view text, std::vector<Span>& spans) const;

 private:
  struct Compiled;
  std::unique_ptr<Compiled> compiled_;
  std::string where_;
};

// The regex that matches `text` itself.
std::string escape_pattern(std::string_view text);

// PCRE2's form of an Oniguruma regex (pattern_syntax.cpp). Throws Error(kBadInput).
std::string translate_pattern(const std::string& regex, const std::string& where);

}  // namespace salf::data
