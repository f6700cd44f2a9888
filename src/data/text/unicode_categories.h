// The characters of the categories in split patterns, as members of a PCRE2 class
// ("\p{L}\x{1c89}…") that mean what Oniguruma means under any Unicode version of PCRE2.
#pragma once

#include <optional>
#include <string>

namespace salf::data {

// L, Lu, Ll, Lt, Lm, Lo, N, Nd, M, P, S, Z, Han; nothing for another name.
std::optional<std::string> category_members(const std::string& name);

// \w; outside a class it has more characters.
std::string word_members(bool in_class);

std::string space_members();      // \s
std::string not_space_members();  // \S

}  // namespace salf::data
