// The names and numbers of a GGUF file's tokenizer.
#pragma once

#include <cstdint>
#include <string>

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

inline constexpr const char* kDigitsThenPlain =
    R"({"type":"Sequence","pretokenizers":[{"type":"Digits","individual_digits":true},)"
    R"({"type":"ByteLevel","add_prefix_space":false,"trim_offsets":true,"use_regex":true}]})";
inline constexpr const char* kLlama3 =
    R"({"type":"Sequence","pretokenizers":[{"type":"Split","pattern":{"Regex":)"
    R"j("(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}{1,3}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+"},)j"
    R"("behavior":"Isolated","invert":false},)"
    R"({"type":"ByteLevel","add_prefix_space":false,"trim_offsets":true,"use_regex":false}]})";
inline constexpr const char* kQwen2 =
    R"({"type":"Sequence","pretokenizers":[{"type":"Split","pattern":{"Regex":)"
    R"j("(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+"},)j"
    R"("behavior":"Isolated","invert":false},)"
    R"({"type":"ByteLevel","add_prefix_space":false,"trim_offsets":false,"use_regex":false}]})";

inline constexpr const char* kTekken =
    R"({"type":"Sequence","pretokenizers":[{"type":"Split","pattern":{"Regex":)"
    R"j("[^\\r\\n\\p{L}\\p{N}]?[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]*[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]+|)j"
    R"j([^\\r\\n\\p{L}\\p{N}]?[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]+[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]*|)j"
    R"j(\\p{N}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n/]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+"},)j"
    R"("behavior":"Isolated","invert":false},)"
    R"({"type":"ByteLevel","add_prefix_space":false,"trim_offsets":true,"use_regex":false}]})";
// llama.cpp's rule for models without one: four patterns, each within the pieces of those before.
inline constexpr const char* kDefaultRule =
    R"({"type":"Sequence","pretokenizers":[)"
    R"j({"type":"Split","pattern":{"Regex":"[\\p{P}\\$\\+<=>\\^~\\|]+"},"behavior":"Isolated","invert":false},)j"
    R"j({"type":"Split","pattern":{"Regex":"'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)"},"behavior":"Isolated","invert":false},)j"
    R"j({"type":"Split","pattern":{"Regex":"\\p{N}+"},"behavior":"Isolated","invert":false},)j"
    R"j({"type":"Split","pattern":{"Regex":"[0-9][0-9][0-9]"},"behavior":"Isolated","invert":false},)j"
    R"({"type":"ByteLevel","add_prefix_space":false,"trim_offsets":true,"use_regex":false}]})";

// What models of each name have in their own tokenizer.json. The usual name comes first where
// several mean the same.
inline constexpr NamedRule kNamedRules[] = {
    {"gpt-2", "null", kByteLevelRule, false},
    {"smollm", "null", kDigitsThenPlain, false},
    {"starcoder", "null", kDigitsThenPlain, false},
    {"refact", "null", kDigitsThenPlain, false},
    {"llama-bpe", "null", kLlama3, true},
    {"llama3", "null", kLlama3, true},
    {"llama-v3", "null", kLlama3, true},
    {"smaug-bpe", "null", kLlama3, false},
    {"dbrx", "null", kLlama3, false},
    {"qwen2", R"({"type":"NFC"})", kQwen2, false},
    {"deepseek-r1-qwen", "null", kQwen2, false},
    {"tekken", "null", kTekken, true},
    {"default", "null", kDefaultRule, false},
};

// Their names, "gpt-2, smollm, …".
inline std::string known_rules() {
  std::string names;
  for (const NamedRule& rule : kNamedRules)
    names += (names.empty() ? "" : ", ") + std::string(rule.name);
  return names;
}

}  // namespace salf::data
