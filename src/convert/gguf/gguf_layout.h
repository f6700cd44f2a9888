// Names and order of the tensors of each family in a GGUF file, as llama.cpp's
// convert_hf_to_gguf.py writes them (names: gguf/constants.py of the gguf package).
#pragma once

#include <ATen/core/Tensor.h>

#include <string>
#include <vector>

#include "convert/export/export_source.h"
#include "convert/gguf/gguf_writer.h"

namespace salf::convert {

// The change of a tensor's values on the way into the file.
enum class GgufChange {
  kNone,
  kRotaryRows,  // see Note [Rotary rows] in gguf_weights.cpp
  kTransposed,
  kPlusOne  // a norm's scale that the model stores as its difference from 1
};

struct GgufPart {
  std::string name;
  GgufChange change = GgufChange::kNone;
  bool keep_float = false;  // F32 whatever the file's type
};

// The model_type of transformers whose files have this general.architecture: "gemma3_text" for
// gemma3. "" for one that is not known.
std::string gguf_model_type(const std::string& architecture);
std::string gguf_architectures();  // "llama, qwen2, …": the known ones

// general.architecture. Throws Error(kBadModel) with the key for what llama.cpp cannot express.
std::string gguf_architecture(const ExportSource& source);
// The tensor of a parameter: "model.layers.0.mlp.up_proj.weight" is "blk.0.ffn_up.weight".
// REQUIRES: gguf_architecture knows the model_type, and the parameter is of its program
GgufPart gguf_part(const std::string& model_type, const std::string& parameter);
// The tensor's values as the file has them, float32 and contiguous.
at::Tensor gguf_values(const ExportSource& source, const std::string& parameter, GgufChange change);
// Adds the keys ARCHITECTURE.*.
void add_gguf_sizes(const ExportSource& source, GgufMetadata& metadata);
// rope_freqs.weight: the divisor of each frequency in Llama 3.1's scaling. Empty for others.
std::vector<float> gguf_rope_divisors(const ExportSource& source);
// What the file cannot express.
std::vector<std::string> gguf_warnings(const ExportSource& source);

}  // namespace salf::convert
