// How do the bytes of a GGUF file become metadata and tensor places?
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "convert/gguf/gguf.h"
#include "convert/gguf/gguf_cursor.h"

namespace salf::convert {

struct GgufContent {
  std::uint32_t version = 0;
  std::map<std::string, GgufValue> metadata;
  std::vector<GgufTensor> tensors;
};

// Throws Error(kBadModel).
GgufContent parse_gguf(const core::MappedFile& file, const std::string& name);

}  // namespace salf::convert
