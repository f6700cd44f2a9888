// Encoding of float32 numbers: the reverse of dequantize.h.
#pragma once

#include <cstdint>

#include "convert/gguf/dequantize.h"

namespace salf::convert {

// The encodings that can be written: F32, F16, BF16 and Q8_0.
bool can_encode(TensorType type);

// Encodes `elements` numbers from `source` to `target`, which takes encoded_bytes() bytes of any
// alignment. F16 and BF16 round to the nearest, ties to even; F16 becomes infinity above its
// largest number. Numbers that came from F16 or BF16 get their bits back. Q8_0 is ggml's
// quantize_row_q8_0_ref: the scale of 32 numbers is their largest magnitude / 127, as F16. A block
// with a number that is not finite gets NaN as its scale.
// REQUIRES: can_encode(type); elements is a multiple of the block's.
void encode(TensorType type, const float* source, std::int64_t elements, std::uint8_t* target);

// Bytes of so many numbers. REQUIRES: elements is a multiple of the block's.
std::uint64_t encoded_bytes(TensorType type, std::int64_t elements);

}  // namespace salf::convert
