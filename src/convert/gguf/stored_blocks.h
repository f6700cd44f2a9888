// How do the blocks of a GGUF file stay in the few bits that they came in? Beside model.pt lies a
// file of their matrices, the bytes as the GGUF file had them, row by row in the model's order.
#pragma once

#include <filesystem>
#include <memory>
#include <string>

#include "model/weights/quantized_blocks.h"

namespace salf::convert {

// A file of safetensors: for each matrix, under its parameter's name, U8 [rows, bytes of a row];
// its metadata names the schema
// ("schema": "salf.stored-blocks/1"), the encoding of each matrix
// ("model.layers.0.mlp.up_proj.weight": "Q4_K") and the model.pt that was decoded from them
// ("model": its SHA-256).
inline constexpr const char* kStoredBlocks = "stored_blocks.safetensors";

class StoredBlocks {
 public:
  // Of the archive with this SHA-256. The file is mapped; every name, type and length is checked.
  // Throws Error(kUsage) where `directory` has no such file, saying how to get one, and
  // Error(kBadInput) where it is damaged or belongs to other weights.
  StoredBlocks(const std::filesystem::path& directory, const std::string& archive_hash);

  // Gives each matrix its stored bytes; those that the file does not have (they were float32) stay
  // as they are. It holds the file. It throws Error(kBadInput) for a matrix of another shape.
  model::Packer packer() const;

 private:
  class File;
  std::shared_ptr<const File> file_;  // the packed matrices hold it too
};

}  // namespace salf::convert
