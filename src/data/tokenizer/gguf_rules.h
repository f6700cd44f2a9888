// What do the names mean that a GGUF file gives to its tokenizer's parts?
#pragma once

#include <cstdint>
#include <vector>

namespace salf::data {

// tokenizer.ggml.token_type
enum TokenType : std::int64_t {
  kNormal = 1,
  kUnknown = 2,
  kControl = 3,
  kUserDefined = 4,
  kUnused = 5,
  kByte = 6
};

// The usual rule of byte-level tokenizers, JSON.
inline constexpr const char* kByteLevelRule =
    R"({"type":"ByteLevel","add_prefix_space":false,"trim_offsets":true,"use_regex":true})";

// What stands behind a name in tokenizer.ggml.pre.
struct NamedRule {
  const char* name;
  const char* normalizer;     // JSON
  const char* pre_tokenizer;  // JSON
  bool ignore_merges;
};

// Where several names mean the same, the usual one comes first.
const std::vector<NamedRule>& named_rules();

}  // namespace salf::data
