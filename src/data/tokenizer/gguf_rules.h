// The names and numbers of a GGUF file's tokenizer.
#pragma once

#include <cstdint>
#include <string>
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

// A value of tokenizer.ggml.pre, as llama.cpp writes it, and its meaning.
struct NamedRule {
  const char* name;
  const char* normalizer;     // JSON
  const char* pre_tokenizer;  // JSON
  bool ignore_merges;
};

// The usual name comes first where several mean the same.
const std::vector<NamedRule>& named_rules();
// Their names, "gpt-2, smollm, …".
std::string known_rules();

}  // namespace salf::data
