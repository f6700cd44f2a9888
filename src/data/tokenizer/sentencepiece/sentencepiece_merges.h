// In which order are the pieces of a SentencePiece model merged? Models of BPE hold no list of
// merges: two neighbours merge if their text is a piece.
#pragma once

#include <string>
#include <vector>

#include "data/tokenizer/bpe.h"
#include "data/tokenizer/sentencepiece/sentencepiece_model.h"

namespace salf::data {

// As the sentencepiece package: by the score of the result, then from the left. Only normal pieces.
// `file` starts each message. Throws Error(kBadInput) for pieces that are too long or marked as
// unused.
std::vector<Merge> merges_by_score(const SentencePieceModel& model, const std::string& file);

// As transformers' generate_merges(): by the id of the result, then the shorter left piece. All
// pieces.
std::vector<Merge> merges_by_id(const SentencePieceModel& model, const std::string& file);

// As transformers' conversion of GGUF files: by the score of the result, then of the left and of
// the right piece. All pieces.
std::vector<Merge> merges_by_scores(const SentencePieceModel& model, const std::string& file);

}  // namespace salf::data
