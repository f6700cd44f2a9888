#include "data/tokenizer/gguf_rules.h"

namespace salf::data {
namespace {

constexpr const char* kDigitsThenPlain =
    R"({"type":"Sequence","pretokenizers":[{"type":"Digits","individual_digits":true},)"
    R"({"type":"ByteLevel","add_prefix_space":false,"trim_offsets":true,"use_regex":true}]})";
constexpr const char* kLlama3 =
    R"({"type":"Sequence","pretokenizers":[{"type":"Split","pattern":{"Regex":)"
    R"j("(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}{1,3}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+"},)j"
    R"("behavior":"Isolated","invert":false},)"
    R"({"type":"ByteLevel","add_prefix_space":false,"trim_offsets":true,"use_regex":false}]})";
constexpr const char* kQwen2 =
    R"({"type":"Sequence","pretokenizers":[{"type":"Split","pattern":{"Regex":)"
    R"j("(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+"},)j"
    R"("behavior":"Isolated","invert":false},)"
    R"({"type":"ByteLevel","add_prefix_space":false,"trim_offsets":false,"use_regex":false}]})";

}  // namespace

// Each rule is what models of this name have in their own tokenizer.json.
const std::vector<NamedRule>& named_rules() {
  static const std::vector<NamedRule> kRules = {
      {"gpt-2", "null", kByteLevelRule, false},
      {"smollm", "null", kDigitsThenPlain, false},
      {"starcoder", "null", kDigitsThenPlain, false},
      {"llama-bpe", "null", kLlama3, true},
      {"llama3", "null", kLlama3, true},
      {"llama-v3", "null", kLlama3, true},
      {"qwen2", R"({"type":"NFC"})", kQwen2, false},
  };
  return kRules;
}

std::string known_rules() {
  std::string names;
  for (const NamedRule& rule : named_rules())
    names += (names.empty() ? "" : ", ") + std::string(rule.name);
  return names;
}

}  // namespace salf::data
