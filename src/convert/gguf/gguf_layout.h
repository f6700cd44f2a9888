// How does GGUF name and store each family's model? As llama.cpp's convert_hf_to_gguf.py writes it,
// with the names of the gguf Python package (gguf/constants.py).
#pragma once

#include <ATen/core/Tensor.h>

#include <string>
#include <vector>

#include "convert/export/export_source.h"
#include "convert/gguf/gguf_writer.h"

namespace salf::convert {

// What becomes of a tensor's values.
enum class GgufChange {
  kNone,
  kRotaryRows,  // the halves of each head's rows become neighbours: see Note [Rotary rows]
  kTransposed,
  kPlusOne  // a norm's scale, which is stored as its difference from 1
};

struct GgufPart {
  std::string name;
  GgufChange change = GgufChange::kNone;
  bool keep_float = false;  // F32 whatever the file's type
};

// The file's architecture: general.architecture. Throws Error(kBadModel) for a family or a setting
// that GGUF or llama.cpp cannot express, naming the key.
std::string gguf_architecture(const ExportSource& source);
// REQUIRES: gguf_architecture has not thrown, and the parameter is of the source's plan. Where its
// tensor goes.
GgufPart gguf_part(const ExportSource& source, const std::string& parameter);
// The tensor's values as the file has them, float32 and contiguous.
at::Tensor gguf_values(const ExportSource& source, const std::string& parameter, GgufChange change);
// The keys ARCHITECTURE.*.
void add_gguf_sizes(const ExportSource& source, GgufMetadata& metadata);
// rope_freqs.weight: what Llama 3.1's scaling divides each frequency by; empty where nothing does.
std::vector<float> gguf_rope_divisors(const ExportSource& source);
// What the file cannot say.
std::vector<std::string> gguf_warnings(const ExportSource& source);

}  // namespace salf::convert
