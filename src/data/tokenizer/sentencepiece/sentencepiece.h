// SentencePiece models (sentencepiece_model.proto; the file is often named tokenizer.model), the
// order in which their pieces are merged, and the tokenizers they become.
#pragma once

#include "data/rows/checked_json.h"
#include "data/text/normalizer.h"
#include "data/tokenizer/bpe.h"
#include "data/tokenizer/tokenizer.h"

namespace salf::data {

enum class PieceType { kNormal = 1, kUnknown, kControl, kUserDefined, kUnused, kByte };

struct Piece {
  std::string text;  // not empty, valid UTF-8, different from all others
  float score = 0;   // finite
  PieceType type = PieceType::kNormal;
};

struct SentencePieceModel {
  enum class Kind { kUnigram = 1, kBpe };

  Kind kind = Kind::kUnigram;
  std::vector<Piece> pieces;  // index = id
  bool byte_fallback = false;
  std::int64_t unknown = 0;                     // the one piece of type kUnknown
  std::int64_t bos = 1, eos = 2, padding = -1;  // none if below 0 or not a piece
  SentencePieceNormalizer normalizer;
};

// Google's library is not used: it reads out of bounds with a damaged precompiled_charsmap.
// Throws Error(kBadInput) for what is no such model, and for kinds that are not supported.
SentencePieceModel read_sentencepiece_model(const NamedText& file);

// A BPE model holds no list of merges: two neighbours merge if their text is a piece. The functions
// below list the merges, best first. `file` starts each message. They throw Error(kBadInput) for
// pieces that are too long.

// As the sentencepiece package: normal pieces only, by the score of the result, then from the left.
// Throws Error(kBadInput) for pieces that are marked as unused too.
std::vector<Merge> merges_by_score(const SentencePieceModel& model, const std::string& file);
// As transformers' generate_merges(): all pieces, by the id of the result, then the shorter left
// piece.
std::vector<Merge> merges_by_id(const SentencePieceModel& model, const std::string& file);
// As transformers' conversion of GGUF files: all pieces, by the score of the result, then of the
// left and of the right piece.
std::vector<Merge> merges_by_scores(const SentencePieceModel& model, const std::string& file);

// The decoder of a tokenizer.json with SentencePiece's U+2581. `prefix`: a space in front of the
// text is removed.
std::string sentencepiece_decoder(bool prefix);

// The tokenizer of a model. `config`: the tokenizer_config.json, if any; without it bos is added
// and eos is not, as for Llama 2. Its tokenizer_class decides how text is read:
//   none   as normalizer_spec says; ids equal those of Google's sentencepiece package
//   LlamaTokenizer, CodeLlamaTokenizer   ids equal transformers': nothing is normalised, spaces
//       become U+2581, and one is put in front of the text (add_prefix_space) unless one is there;
//       with "legacy": true also in front of what follows an added token
//   GemmaTokenizer   the same, and nothing is put in front
// Unigram models are always read as the package does. In all of them control pieces ("<s>") and
// added tokens in the text become their ids, as in transformers and unlike the package.
// Throws Error(kBadInput) that names what is not supported.
std::unique_ptr<Tokenizer> read_sentencepiece(
    const NamedText& file, const std::optional<JsonView>& config);

}  // namespace salf::data
