// Encodings of the numbers of a GGUF tensor, from and to float32: ggml's, by ggml's conversions.
#pragma once

#include <c10/core/ScalarType.h>

#include <cstdint>
#include <optional>
#include <string>

namespace salf::convert {

// An encoding that can be read: any ggml_type of ggml.h with a conversion to float32. These have
// names because the code writes them.
enum class TensorType : std::uint32_t { kF32 = 0, kF16 = 1, kQ8_0 = 8, kBF16 = 30 };

// A row is a whole number of blocks.
struct BlockLayout {
  std::int64_t elements = 1;
  std::int64_t bytes = 4;
};

// Nothing for an encoding that cannot be read.
std::optional<TensorType> tensor_type(std::uint32_t code);
std::optional<TensorType> tensor_type(const std::string& name);
// F32, F16 and BF16. Nothing for other types.
std::optional<TensorType> tensor_type(c10::ScalarType type);
std::string tensor_type_name(TensorType type);  // "Q4_K"
// The name also of an encoding of ggml that cannot be read. "type 77" for an unknown code.
std::string tensor_type_name(std::uint32_t code);
std::string supported_tensor_types();  // "F32, F16, …": those that can be read

BlockLayout block_layout(TensorType type);

// Decodes `elements` numbers from `source` to `target`.
// REQUIRES: elements is a multiple of layout.elements; source holds elements / layout.elements *
// layout.bytes bytes, of any alignment.
void dequantize(TensorType type, const std::uint8_t* source, std::int64_t elements, float* target);

// Encodes `elements` numbers from `source` to `target`, which takes encoded_bytes() bytes of any
// even address. F16 and BF16 round to the nearest, ties to even; F16 becomes infinity above its
// largest number. Numbers that came from F16 or BF16 get their bits back, but for the payload of
// NaN. The scale of 32 numbers in Q8_0 is their largest magnitude / 127, as F16. A block with a
// number that is not finite gets NaN as its scale.
// REQUIRES: type is F32, F16, BF16 or Q8_0; elements is a multiple of the block's.
void encode(TensorType type, const float* source, std::int64_t elements, std::uint8_t* target);

// Bytes of so many numbers. REQUIRES: elements is a multiple of the block's.
std::uint64_t encoded_bytes(TensorType type, std::int64_t elements);

}  // namespace salf::convert
