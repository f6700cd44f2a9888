// How does a SentencePiece model become a tokenizer?
//
// Without a tokenizer_config.json, or where that names no class, text is normalised as the model's
// normalizer_spec says: ids equal those of Google's sentencepiece package. With
//   LlamaTokenizer, CodeLlamaTokenizer   ids equal transformers': nothing is normalised, spaces
//   become
//       U+2581, and one is put in front (add_prefix_space) of the text, or with "legacy": true also
//       of what follows each added token; not where U+2581 stands there already
//   GemmaTokenizer   the same, and nothing is put in front
// Unigram models are always read as the package does. In all of them control pieces ("<s>") and
// added tokens in the text become their ids, as in transformers and unlike the package.
#pragma once

#include <memory>
#include <optional>

#include "data/tokenizer/sentencepiece/sentencepiece_model.h"
#include "data/tokenizer/tokenizer_reader.h"

namespace salf::data {

// `config`: the tokenizer_config.json, if any; what it leaves open is as Llama 2's (bos, no eos).
// Throws Error(kBadInput), naming what is not supported.
std::unique_ptr<Tokenizer> read_sentencepiece_tokenizer(
    const NamedText& model, const std::optional<NamedText>& config);

}  // namespace salf::data
