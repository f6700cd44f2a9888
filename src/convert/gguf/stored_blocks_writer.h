// Which matrices of a GGUF file are kept as they are, and how are they written? See
// salf/convert/stored_blocks.h.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "convert/families/decoder.h"
#include "convert/gguf/gguf_weights.h"
#include "tensor/tensor_file.h"

namespace salf::convert {

struct StoredBlocksPlan {
  std::vector<tensor::TensorPlan> tensors;       // none: nothing is to be written
  std::map<std::string, std::string> encodings;  // "Q4_K", by tensor
  std::uint64_t bytes = 0;
};

// The blocks' matrices that are not float32.
StoredBlocksPlan plan_stored_blocks(const GgufWeights& weights, const Decoder& decoder);

// `archive_hash`: SHA-256 of the model.pt that was made from these weights. Throws Error(kIo).
void write_stored_blocks(const std::filesystem::path& path, const StoredBlocksPlan& plan,
    const GgufWeights& weights, const std::string& archive_hash);

}  // namespace salf::convert
