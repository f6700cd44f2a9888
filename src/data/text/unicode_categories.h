// Which characters does a category of a split pattern have? Members of a PCRE2 class
// ("\p{L}\x{1c89}…") that mean what Oniguruma means, whatever Unicode version PCRE2 knows.
#pragma once

#include <optional>
#include <string>

namespace salf::data {

// L, Lu, Ll, Lt, Lm, Lo, N, Nd, M, P, S, Z, Han; nothing for another name.
std::optional<std::string> category_members(const std::string& name);

// \w, which has some characters more outside a class.
std::string word_members(bool in_class);

std::string space_members();      // \s
std::string not_space_members();  // \S

}  // namespace salf::data
