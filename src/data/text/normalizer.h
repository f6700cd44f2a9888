// Normalisation of text before it is split: the "normalizer" of a tokenizer.json, and
// SentencePiece's own.
#pragma once

#include <functional>
#include <string_view>

#include "data/rows/checked_json.h"

namespace salf::data {

// Writes the normal form of `text` (valid UTF-8) to `out`, or returns false if it is `text`.
// `from_first`: the number of bytes at the begin of `text` that come from the first character of
// the tokenizer's input. It becomes the number for `out`. Thread-safe.
using NormalizerStep =
    std::function<bool(std::string_view text, std::string& out, std::size_t& from_first)>;

struct NormalizedText {
  std::string_view text;
  std::size_t from_first = 0;  // bytes at its begin that come from the input's first character
};

// Storage of normal forms. The contents mean nothing between calls.
struct NormalizerBuffers {
  std::string current, next;
};

// Thread-safe for concurrent apply() with separate buffers.
class Normalizer {
 public:
  // Throws Error(kBadInput) that names what is not supported.
  explicit Normalizer(const std::optional<JsonView>& normalizer);
  explicit Normalizer(std::vector<NormalizerStep> steps) : steps_(std::move(steps)) {}

  // The normal form of `text` (valid UTF-8): `text` itself or a view into `buffers`.
  NormalizedText apply(std::string_view text, NormalizerBuffers& buffers) const;

 private:
  std::vector<NormalizerStep> steps_;
};

// The normalizer_spec of a SentencePiece model.
struct SentencePieceNormalizer {
  std::string charsmap;  // precompiled_charsmap; empty: none
  bool add_dummy_prefix = true;
  bool remove_extra_whitespaces = true;
  bool escape_whitespaces = true;
  bool whitespace_as_suffix = false;      // from the trainer_spec
  std::vector<std::string> user_defined;  // pieces that stay as they are
};

// `where` starts each message about the charsmap. Throws Error(kBadInput).
NormalizerStep make_sentencepiece_step(
    const SentencePieceNormalizer& normalizer, const std::string& where);
NormalizerStep make_precompiled_step(std::string_view charsmap, const std::string& where);

// REQUIRES: `from` is not empty
NormalizerStep make_replace_step(const std::string& from, const std::string& to);
// The "Replace" of a normalizer or decoder. Throws Error(kBadInput).
NormalizerStep read_replace_step(const JsonView& replace);

}  // namespace salf::data
