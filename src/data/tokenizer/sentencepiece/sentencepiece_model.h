// What does a SentencePiece model hold? (sentencepiece_model.proto; the file that is often named
// tokenizer.model.) It is read here and not by Google's library: that one reads out of bounds when
// a damaged precompiled_charsmap is used.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "data/text/normalizer_steps.h"
#include "data/tokenizer/tokenizer_reader.h"

namespace salf::data {

enum class PieceType { kNormal = 1, kUnknown, kControl, kUserDefined, kUnused, kByte };

struct Piece {
  std::string text;  // not empty, valid UTF-8, unlike every other
  float score = 0;   // finite
  PieceType type = PieceType::kNormal;
};

struct SentencePieceModel {
  enum class Kind { kUnigram = 1, kBpe };

  Kind kind = Kind::kUnigram;
  std::vector<Piece> pieces;  // index = id
  bool byte_fallback = false;
  std::int64_t unknown = 0;                     // the one piece of type kUnknown
  std::int64_t bos = 1, eos = 2, padding = -1;  // below 0, or no piece: none
  SentencePieceNormalizer normalizer;
};

// Throws Error(kBadInput) for what is not such a model, and for kinds that are not supported.
SentencePieceModel read_sentencepiece_model(const NamedText& file);

}  // namespace salf::data
