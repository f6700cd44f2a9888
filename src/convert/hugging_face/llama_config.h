// Which sizes and constants make a decoder of the Llama family, and does a GGUF file hold its
// tensors?
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "convert/families/decoder.h"
#include "convert/gguf/gguf.h"
#include "core/json.h"

namespace salf::convert {

// What GGUF says beyond a decoder's sizes; config.json is made from it.
struct LlamaConfig : DecoderConfig {
  double rope_theta = 0.0;
  double rope_factor = 1.0;          // linear scaling: positions are divided by it
  std::vector<float> rope_divisors;  // rope_freqs.weight: one per frequency, or empty
  // llama.cpp stores the rows of q and k so that the two halves of a rotary pair are neighbours;
  // see Note [Rotary rows] in gguf_weights.cpp.
  bool rotary_rows_interleaved = false;
};

// Reads and checks the metadata. Throws Error(kBadModel) naming the key.
LlamaConfig read_llama_config(const GgufFile& file);

// Every tensor of the model must be there in its shape (all problems in one Error(kBadModel)), and
// none within a block may be left over, because the result would differ silently. Returns a warning
// for each other tensor that is not used.
std::vector<std::string> check_llama_tensors(const GgufFile& file, const LlamaConfig& config);

// The tokenizer's, where the file states them.
struct SpecialIds {
  std::optional<std::int64_t> bos, eos, padding;
};
// config.json as transformers writes it.
core::Json hugging_face_config(const LlamaConfig& config, const SpecialIds& ids);

}  // namespace salf::convert
