// The decoder that a GGUF file holds, as its metadata and tensors tell.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "convert/families/decoder.h"
#include "convert/gguf/gguf.h"

namespace salf::convert {

struct GgufDecoder {
  std::string model_type;  // of transformers: "gemma3_text"
  core::Json config;       // config.json as transformers writes it, without the tokenizer's ids
  Decoder decoder;
  std::vector<std::string> warnings;
};

// Reads the metadata, and compares the file's tensors with those of the decoder. Throws one
// Error(kBadModel) with all problems: a key or a tensor of the model that is missing or wrong, a
// tensor that is unused and of a block. Each other unused tensor is a warning.
GgufDecoder read_gguf_decoder(const GgufFile& file);

}  // namespace salf::convert
