// The tokenizer of a GGUF file as a tokenizer.json, and the way back.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

namespace salf::data {

// The fields tokenizer.ggml.* of a GGUF file. Nothing here is trusted before it is checked.
struct GgufTokenizer {
  enum class Kind { kByteLevel, kSentencePiece };  // model: "gpt2", "llama"

  Kind kind = Kind::kByteLevel;
  std::vector<std::string> tokens;                // index = id. Byte level: in its alphabet
  std::vector<std::int64_t> token_types;          // token_type, one per token, or empty
  std::vector<std::string> merges;                // byte level: "left right", best first
  std::vector<double> scores;                     // SentencePiece: one per token
  std::string pre;                                // byte level: the name of the split rule
  std::optional<std::int64_t> bos, eos, padding;  // {bos,eos,padding}_token_id
  bool add_bos = false;                           // add_bos_token
  bool add_space_prefix = true;                   // SentencePiece
  std::optional<std::int64_t> unknown;            // unknown_token_id
};

// The texts of the two files.
struct TokenizerJson {
  std::string tokenizer;  // tokenizer.json
  std::string config;     // tokenizer_config.json
};

// Tokens of type 3 (control) and 4 (user defined) become added tokens; control tokens are special.
// add_bos adds a template that begins with bos. SentencePiece's merges are those that transformers
// makes of the scores. Throws Error(kBadInput) for an unknown `pre` (the message lists the known
// names), and for tokens, types, merges and ids that do not fit each other.
TokenizerJson make_tokenizer_json(const GgufTokenizer& gguf);

// A GGUF file's tokenizer, and the texts for which its ids are known to differ from the original's.
struct ProvedGgufTokenizer {
  GgufTokenizer tokenizer;
  std::vector<std::string> differences;
};

// The GGUF fields of a tokenizer.json or SentencePiece model (BPE). Ids below `vocabulary` without
// a token become tokens of type 5 (unused) named [PADid]. SentencePiece's scores, where there are
// merges only, are minus the rank of the merge that makes the token.
//
// The result is proved: it is made a tokenizer.json again, and both must give the same ids for
// texts of many scripts, for numbers, white space and code, and for the texts of the first 50,000
// tokens. Two kinds of text may differ, because readers of GGUF have one rule where tokenizers have
// several, and are then reported: texts that begin with a space, and texts with control tokens in
// them.
//
// Throws Error(kIo); Error(kBadInput) for a tokenizer that GGUF cannot express (the message says
// why) and for one with ids of `vocabulary` or more.
ProvedGgufTokenizer make_gguf_tokenizer(
    const std::filesystem::path& tokenizer, std::int64_t vocabulary);

}  // namespace salf::data
