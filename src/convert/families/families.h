// The decoders that can be imported: how each is read from a config.json and programmed.
#pragma once

#include <string>
#include <vector>

#include "convert/families/decoder.h"
#include "convert/hugging_face/hf_decoder.h"

namespace salf::convert {

struct Family {
  const char* model_type;   // of config.json
  const char* model_class;  // in its "architectures"
  const char* base;         // what its parameters' names begin with: "model."; the head's do not
  const char* embedding;    // full name of the embedding's weight
  // Throws Error(kBadModel) with the key for a setting that is not supported.
  Decoder (*read)(const HfConfig& config);
};

const std::vector<Family>& families();

// The family that config.json names. Throws Error(kBadModel) with the known ones for another.
const Family& find_family(const HfConfig& config);

Decoder read_llama(const HfConfig& config);  // Llama 2 and 3, SmolLM2
Decoder read_mistral(const HfConfig& config);
Decoder read_qwen2(const HfConfig& config);
Decoder read_qwen3(const HfConfig& config);
Decoder read_gemma2(const HfConfig& config);
Decoder read_phi3(const HfConfig& config);
Decoder read_olmo2(const HfConfig& config);
Decoder read_gpt2(const HfConfig& config);

ModulePlan llama_program(const DecoderConfig& config);  // also Mistral's and Qwen2's

}  // namespace salf::convert
