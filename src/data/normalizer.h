// How is text normalised before it is split? The normalizer of a tokenizer.json.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "checked_json.h"

namespace salf::data {

class Normalizer {
 public:
  // Nothing, NFC, or a Sequence of those. Throws Error(kBadInput), naming what is not supported.
  explicit Normalizer(const std::optional<JsonView>& normalizer);

  // The normal form of `text` (valid UTF-8). It lives in `buffer` unless `text` is in normal form
  // already.
  std::string_view apply(std::string_view text, std::string& buffer) const;

 private:
  void read(const JsonView& normalizer);
  bool compose_ = false;
};

}  // namespace salf::data
