// The blocks of an imported GGUF file in their few bits: a file beside model.pt with their
// matrices, the bytes as the GGUF file had them, row by row in the model's order.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "convert/families/decoder.h"
#include "model/weights/quantized_blocks.h"
#include "tensor/tensor_file.h"

namespace salf::convert {

class GgufWeights;

// A safetensors file. Each matrix is U8 [rows, bytes of a row] under its parameter's name. The
// metadata holds "schema": "salf.stored-blocks/1", the encoding of each matrix
// ("model.layers.0.mlp.up_proj.weight": "Q4_K"), and "model": the SHA-256 of the model.pt that was
// decoded from them.
inline constexpr const char* kStoredBlocks = "stored_blocks.safetensors";

// Maps the file of the archive with this SHA-256 and checks every name, type and length. The packer
// gives each matrix its stored bytes, leaves those that the file does not have (float32), and
// throws Error(kBadInput) for a matrix of another shape. Throws Error(kUsage) where `directory` has
// no such file, and Error(kBadInput) where it is damaged or belongs to other weights.
model::Packer stored_blocks(
    const std::filesystem::path& directory, const std::string& archive_hash);

// The matrices of a GGUF file's blocks that are not float32.
std::vector<tensor::TensorPlan> plan_stored_blocks(
    const GgufWeights& weights, const Decoder& decoder);

// `archive_hash`: SHA-256 of the model.pt that was made from these weights. Throws Error(kIo).
void write_stored_blocks(const std::filesystem::path& path,
    const std::vector<tensor::TensorPlan>& plans, const GgufWeights& weights,
    const std::string& archive_hash);

}  // namespace salf::convert
