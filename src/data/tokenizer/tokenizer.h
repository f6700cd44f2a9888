// Text to token ids and back, with a tokenizer.json as Hugging Face writes it or a SentencePiece
// model (tokenizer.model).
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace salf::data {

// Thread-safe for concurrent encode and decode.
class Tokenizer {
 public:
  virtual ~Tokenizer() = default;

  // Ids of `text` without bos or eos. Added tokens ("<|im_start|>") in the text become their ids,
  // as in Hugging Face. Throws Error(kBadInput) if `text` is not valid UTF-8.
  virtual std::vector<std::int64_t> encode(std::string_view text) const = 0;
  // The text of the ids, as Hugging Face decodes them: bytes that are not UTF-8 become U+FFFD.
  // Throws Error(kBadInput) for ids outside the vocabulary.
  virtual std::string decode(const std::vector<std::int64_t>& ids) const = 0;
  // True for an added token that is no text, such as bos. False for ids outside the vocabulary.
  virtual bool is_special(std::int64_t /*id*/) const { return false; }

  virtual std::int64_t vocabulary_size() const = 0;  // largest id + 1
  // Begins each document if add_bos().
  virtual std::optional<std::int64_t> bos_id() const = 0;
  virtual std::optional<std::int64_t> eos_id() const = 0;  // ends each completion
  virtual std::optional<std::int64_t> padding_id() const = 0;
  virtual bool add_bos() const = 0;
  // SHA-256 of the tokenizer's file, in hex.
  virtual const std::string& hash() const = 0;
};

// Reads a tokenizer.json or a SentencePiece model, told apart by content, and the files beside it:
// tokenizer_config.json, special_tokens_map.json and added_tokens.json (bos, eos, padding, added
// tokens; for SentencePiece also the prefix of the text). eos is eos_token_id of
// generation_config.json or config.json where none of these has the key eos_token. Throws
// Error(kIo); Error(kBadInput) that names what is not supported.
std::unique_ptr<Tokenizer> load_tokenizer(const std::filesystem::path& file);

// A text and its name in messages.
struct NamedText {
  std::string name;
  std::string text;
};

// Does the same with texts. `config`: the tokenizer_config.json, if any. `end`: the id that is eos
// where `config` has no eos_token, if there is such a token. Throws Error(kBadInput).
std::unique_ptr<Tokenizer> read_tokenizer(const NamedText& tokenizer,
    const std::optional<NamedText>& config, std::optional<std::int64_t> end = std::nullopt);

}  // namespace salf::data
