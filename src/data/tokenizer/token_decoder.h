// How do tokens become text again? The decoder of a tokenizer.json.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "data/rows/checked_json.h"
#include "data/tokenizer/pattern.h"

namespace salf::data {

// Thread-safe for concurrent decode().
class TokenDecoder {
 public:
  // Without a decoder tokens are joined with spaces, as Hugging Face does. Throws Error(kBadInput),
  // naming what is not supported.
  explicit TokenDecoder(const std::optional<JsonView>& decoder);

  // Valid UTF-8: bytes that are not become U+FFFD.
  std::string decode(std::vector<std::string> tokens) const;

 private:
  enum class Kind { kByteLevel, kByteFallback, kFuse, kReplace, kStrip, kMetaspace };
  struct Step {
    Kind kind;
    std::optional<Pattern> pattern;  // kReplace: either this
    std::string wanted;              // or this; kStrip, kMetaspace: a character
    std::string content;             // kReplace
    std::size_t begin = 0, end = 0;  // kStrip: at most this many at either end
    bool prefix = false;             // kMetaspace: the first token's are left out
  };
  void add(const JsonView& decoder);
  void add_replace(const JsonView& replace);
  void add_strip(const JsonView& strip);
  void add_metaspace(const JsonView& metaspace);
  static void apply(const Step& step, std::vector<std::string>& tokens);

  std::vector<Step> steps_;
  bool joined_with_spaces_ = false;
};

}  // namespace salf::data
