// Which text does a SentencePiece model put in place of another? Its precompiled_charsmap: a double
// array (Aoe 1989, as darts-clone stores it) and the replacements, each ended by a NUL.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace salf::data {

class Charsmap {
 public:
  struct Match {
    std::size_t length = 0;        // bytes of the key
    std::string_view replacement;  // valid UTF-8
  };

  // `blob`: size of the array in bytes (32 bits), the array (32 bits each), the replacements.
  // `where` starts each message. Throws Error(kBadInput).
  Charsmap(std::string_view blob, const std::string& where);

  // The shortest and the longest key that `text` begins with. A damaged map is an Error(kBadInput).
  std::optional<Match> shortest(std::string_view text) const { return find(text, true); }
  std::optional<Match> longest(std::string_view text) const { return find(text, false); }

 private:
  std::optional<Match> find(std::string_view text, bool first) const;
  std::string_view replacement(std::uint32_t index) const;
  [[noreturn]] void fail(const std::string& problem) const;

  std::string where_;
  std::vector<std::uint32_t> units_;
  std::string replacements_;
};

// The bytes of a base64 text, or nothing if it is none.
std::optional<std::string> from_base64(std::string_view text);

}  // namespace salf::data
