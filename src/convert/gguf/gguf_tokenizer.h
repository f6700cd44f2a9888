// Which tokenizer does a GGUF file hold?
#pragma once

#include <cstdint>

#include "convert/gguf/gguf.h"
#include "data/tokenizer/tokenizer_json.h"

namespace salf::convert {

// The keys tokenizer.ggml.*, as they are. `vocabulary`: rows of the model's embedding.
// Throws Error(kBadModel) for another kind of tokenizer than BPE, or another number of tokens.
data::GgufTokenizer read_gguf_tokenizer(const GgufFile& file, std::int64_t vocabulary);

// Throws Error(kBadModel) "FILE: tokenizer: message".
[[noreturn]] void refuse_gguf_tokenizer(const GgufFile& file, const std::string& message);

}  // namespace salf::convert
