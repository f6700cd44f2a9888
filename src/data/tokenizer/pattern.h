// Split patterns. Hugging Face's are Oniguruma's; here PCRE2 runs them after a translation that
// keeps their meaning or refuses.
#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "data/rows/checked_json.h"

namespace salf::data {

// The bytes [begin, end) of a text.
struct Span {
  std::size_t begin = 0;
  std::size_t end = 0;
  bool is_match = false;
};

// Thread-safe for concurrent find().
class Pattern {
 public:
  // `regex` in Oniguruma's syntax. `where` (file and JSON path) starts each message.
  // Throws Error(kBadInput) for what is no regex, and for one that PCRE2 reads differently.
  Pattern(const std::string& regex, const std::string& where);
  ~Pattern();
  Pattern(Pattern&&) noexcept;
  Pattern& operator=(Pattern&&) noexcept;

  // Appends the matches and the parts between them, in order: together all of `text` (valid UTF-8).
  // Throws Error(kBadInput) when the pattern needs too many steps.
  void find(std::string_view text, std::vector<Span>& spans) const;

 private:
  struct Compiled;
  std::unique_ptr<Compiled> compiled_;
  std::string where_;
};

// Reads {"Regex": regex}; nothing for {"String": text}. Throws Error(kBadInput) for anything else.
std::optional<Pattern> read_regex(const JsonView& pattern);

// The regex that matches `text` itself.
std::string escape_pattern(std::string_view text);

// PCRE2's form of an Oniguruma regex (pattern_syntax.cpp). Throws Error(kBadInput).
std::string translate_pattern(const std::string& regex, const std::string& where);

}  // namespace salf::data
