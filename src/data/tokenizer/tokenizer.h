// How does text become token ids? A tokenizer that is read from a tokenizer.json as Hugging Face
// writes it, or from a SentencePiece model (tokenizer.model).
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

  // Ids of `text`, which must be valid UTF-8 (Error(kBadInput) otherwise), without bos or eos.
  // Added tokens ("<|im_start|>") in the text become their ids, as Hugging Face does.
  virtual std::vector<std::int64_t> encode(std::string_view text) const = 0;
  // The text of the ids, as Hugging Face decodes them: bytes that are not UTF-8 become U+FFFD.
  // Ids outside the vocabulary are an Error(kBadInput).
  virtual std::string decode(const std::vector<std::int64_t>& ids) const = 0;
  // The id is an added token that is no text, such as bos. False for ids outside the vocabulary.
  virtual bool is_special(std::int64_t /*id*/) const { return false; }

  // Number of ids (largest id + 1).
  virtual std::int64_t vocabulary_size() const = 0;
  virtual std::optional<std::int64_t> bos_id()
      const = 0;  // begins each document where the model wants it
  virtual std::optional<std::int64_t> eos_id() const = 0;  // ends each completion
  virtual std::optional<std::int64_t> padding_id() const = 0;
  virtual bool add_bos() const = 0;
  // SHA-256 of the file it was read from, in hex.
  virtual const std::string& hash() const = 0;
};

// decode() of the ids that are not special (Hugging Face's skip_special_tokens).
std::string decode_without_special(
    const Tokenizer& tokenizer, const std::vector<std::int64_t>& ids);

// Reads a tokenizer.json or a SentencePiece model, whichever the content shows it to be, and the
// tokenizer_config.json beside it where that exists (bos, eos, padding; for SentencePiece also
// added tokens and what is put in front of the text). What is not supported is named. Throws
// Error(kIo) or Error(kBadInput).
std::unique_ptr<Tokenizer> load_tokenizer(const std::filesystem::path& file);

}  // namespace salf::data
