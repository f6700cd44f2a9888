// What can a normalizer do to a text? The kinds of a tokenizer.json's "normalizer", and
// SentencePiece's own.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "data/rows/checked_json.h"
#include "data/text/charsmap.h"
#include "data/tokenizer/sentencepiece/prefix_tree.h"

namespace salf::data {

class NormalizerStep {
 public:
  NormalizerStep() = default;
  virtual ~NormalizerStep() = default;
  NormalizerStep(const NormalizerStep&) = delete;
  NormalizerStep& operator=(const NormalizerStep&) = delete;

  // Writes the normal form of `text` (valid UTF-8) to `out`, or returns false where it is `text`.
  // `from_first`: how many bytes at the begin of the text come from the first character of the
  // tokenizer's input; changed to what it is for `out`.
  virtual bool apply(std::string_view text, std::string& out, std::size_t& from_first) const = 0;
};

using NormalizerSteps = std::vector<std::unique_ptr<NormalizerStep>>;

// Appends the steps of a tokenizer.json's normalizer. Throws Error(kBadInput), naming what is not
// supported.
void read_normalizer_steps(const JsonView& normalizer, NormalizerSteps& steps);

// The normalizer_spec of a SentencePiece model.
struct SentencePieceNormalizer {
  std::string charsmap;  // precompiled_charsmap; empty: none
  bool add_dummy_prefix = true;
  bool remove_extra_whitespaces = true;
  bool escape_whitespaces = true;
  bool whitespace_as_suffix = false;      // of the trainer_spec
  std::vector<std::string> user_defined;  // pieces that stay as they are
};

// `where` starts each message about the charsmap. Throws Error(kBadInput).
std::unique_ptr<NormalizerStep> make_sentencepiece_step(
    const SentencePieceNormalizer& normalizer, const std::string& where);

}  // namespace salf::data
