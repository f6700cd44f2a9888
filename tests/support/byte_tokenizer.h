// A tokenizer for tests: the id of a byte is its value; bos 256, eos 257, padding 258.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/error.h"
#include "data/tokenizer/tokenizer.h"

namespace salf::testing {

class ByteTokenizer : public data::Tokenizer {
 public:
  static constexpr std::int64_t kBos = 256, kEos = 257, kPadding = 258;

  explicit ByteTokenizer(bool add_bos = false) : add_bos_(add_bos) {}

  std::vector<std::int64_t> encode(std::string_view text) const override {
    std::vector<std::int64_t> ids;
    for (const char byte : text) ids.push_back(static_cast<unsigned char>(byte));
    return ids;
  }

  std::string decode(const std::vector<std::int64_t>& ids) const override {
    std::string text;
    for (const std::int64_t id : ids) {
      if (id < 0 || id > kPadding)
        throw Error(ErrorKind::kBadInput, "no such id: " + std::to_string(id));
      if (id < kBos) text += static_cast<char>(id);
    }
    return text;
  }

  std::int64_t vocabulary_size() const override { return kPadding + 1; }
  std::optional<std::int64_t> bos_id() const override { return kBos; }
  std::optional<std::int64_t> eos_id() const override { return kEos; }
  std::optional<std::int64_t> padding_id() const override { return kPadding; }
  bool add_bos() const override { return add_bos_; }
  const std::string& hash() const override { return hash_; }

 private:
  bool add_bos_;
  std::string hash_ = std::string(64, 'b');
};

}  // namespace salf::testing
