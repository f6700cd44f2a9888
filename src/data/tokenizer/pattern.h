// Split patterns. Hugging Face's are Oniguruma's; here PCRE2 runs them after a translation that
// keeps their meaning or refuses.
#pragma once

#include <cstddef>
#include <memory>
#include <string_view>

#include "data/rows/checked_json.h"

struct pcre2_real_code_8;  // of PCRE2

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

  // Appends the matches and the parts between them, in order: together all of `text` (valid UTF-8).
  // Throws Error(kBadInput) when the pattern needs too many steps.
  void find(std::string_view text, std::vector<Span>& spans) const;

 private:
  std::shared_ptr<pcre2_real_code_8> code_;  // shared by copies: it never changes
  std::string where_;
};

// Reads {"Regex": regex}; nothing for {"String": text}. Throws Error(kBadInput) for anything else.
std::optional<Pattern> read_regex(const JsonView& pattern);

// The regex that matches `text` itself.
std::string escape_pattern(std::string_view text);

// PCRE2's form of an Oniguruma regex (pattern_syntax.cpp). Throws Error(kBadInput).
std::string translate_pattern(const std::string& regex, const std::string& where);

// The characters of the categories in split patterns, as members of a PCRE2 class
// ("\p{L}\x{1c89}…") that mean what Oniguruma means under any Unicode version of PCRE2
// (unicode_categories.cpp).
// L, Lu, Ll, Lt, Lm, Lo, N, Nd, M, P, S, Z, Han; nothing for another name.
std::optional<std::string> category_members(const std::string& name);
std::string word_members(bool in_class);  // \w; outside a class it has more characters
std::string space_members();              // \s
std::string not_space_members();          // \S

}  // namespace salf::data
