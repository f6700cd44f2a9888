// How does a GGUF file's tokenizer become the tokenizer.json that salf and Hugging Face read, and
// how does it come back?
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

namespace salf::data {

// What a GGUF file says under tokenizer.ggml.*. Nothing here is believed before it is checked.
struct GgufTokenizer {
  enum class Kind { kByteLevel, kSentencePiece };  // tokenizer.ggml.model: "gpt2", "llama"

  Kind kind = Kind::kByteLevel;
  std::vector<std::string>
      tokens;  // tokenizer.ggml.tokens; index = id. Byte level: in its alphabet
  std::vector<std::int64_t> token_types;  // tokenizer.ggml.token_type, one per token, or empty
  std::vector<std::string> merges;  // byte level: tokenizer.ggml.merges, "left right", best first
  std::vector<double> scores;       // SentencePiece: tokenizer.ggml.scores, one per token
  std::string pre;                  // byte level: tokenizer.ggml.pre, the name of the split rule
  std::optional<std::int64_t> bos, eos, padding;  // tokenizer.ggml.{bos,eos,padding}_token_id
  bool add_bos = false;                           // tokenizer.ggml.add_bos_token
  bool add_space_prefix = true;                   // SentencePiece: tokenizer.ggml.add_space_prefix
  std::optional<std::int64_t> unknown;            // tokenizer.ggml.unknown_token_id
};

// The texts of the two files.
struct TokenizerJson {
  std::string tokenizer;  // tokenizer.json
  std::string config;     // tokenizer_config.json
};

// Tokens of type 3 (control) and 4 (user defined) become added tokens, control tokens special ones.
// With add_bos a template that begins with bos is written too. SentencePiece's merges are those
// that transformers makes of the scores. Throws Error(kBadInput) for an unknown `pre` (the message
// lists the known names), and for tokens, types, merges and ids that do not fit each other.
TokenizerJson make_tokenizer_json(const GgufTokenizer& gguf);

// The values of `pre` that make_tokenizer_json() knows, as llama.cpp writes them.
std::vector<std::string> known_split_rules();

// A GGUF file's tokenizer, and where its ids are known to be others than the original's.
struct ProvedGgufTokenizer {
  GgufTokenizer tokenizer;
  std::vector<std::string> differences;
};

// What a GGUF file says of this tokenizer.json or SentencePiece model (BPE). Ids that the tokenizer
// does not have below `vocabulary` become tokens of type 5 (unused) named [PADid]. The result is
// proved: it is made a tokenizer.json again, and both must give the same ids for texts of many
// scripts, for numbers, white space and code, and for the texts of the first 50,000 tokens. What
// may differ, since readers of GGUF have one rule where tokenizers have several, and is then told:
// texts that begin with a space, and texts with control tokens in them. SentencePiece's scores,
// where there are merges only, are minus the rank of the merge that makes the token. Throws
// Error(kIo); Error(kBadInput) for a tokenizer that GGUF cannot express (the message says what),
// and for one of more than `vocabulary` ids.
ProvedGgufTokenizer make_gguf_tokenizer(
    const std::filesystem::path& tokenizer, std::int64_t vocabulary);

}  // namespace salf::data
