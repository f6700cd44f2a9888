// Tokens to text: the "decoder" of a tokenizer.json.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "data/rows/checked_json.h"

namespace salf::data {

// Thread-safe for concurrent decode().
class TokenDecoder {
 public:
  // Without a decoder tokens are joined with spaces, as Hugging Face does. Throws Error(kBadInput)
  // that names what is not supported.
  explicit TokenDecoder(const std::optional<JsonView>& decoder);

  // Valid UTF-8: bytes that are not become U+FFFD.
  std::string decode(std::vector<std::string> tokens) const;

 private:
  void add(const JsonView& decoder);

  std::vector<std::function<void(std::vector<std::string>&)>> steps_;
  const char* between_ = "";
};

}  // namespace salf::data
