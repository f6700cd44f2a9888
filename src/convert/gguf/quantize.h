// How do float32 numbers become those of a file? The reverse of dequantize.h.
#pragma once

#include <cstdint>

#include "convert/gguf/dequantize.h"

namespace salf::convert {

// The encodings that can be written: F32, F16, BF16 and Q8_0.
bool can_encode(TensorType type);

// Encodes `elements` numbers from `source` to `target`, which takes elements / layout.elements *
// layout.bytes bytes (no alignment needed). F16 and BF16 round to the nearest, ties to even; beyond
// F16's largest number stands infinity. Numbers that came from F16 or BF16 get their bits back,
// whatever they are. Q8_0 as ggml's reference (quantize_row_q8_0_ref): the scale is the largest
// magnitude of 32 numbers / 127, kept as F16; a block with a number that is not finite gets NaN as
// its scale. REQUIRES: can_encode(type); elements is a multiple of the block's.
void encode(TensorType type, const float* source, std::int64_t elements, std::uint8_t* target);

// Bytes of so many numbers. REQUIRES: elements is a multiple of the block's.
std::uint64_t encoded_bytes(TensorType type, std::int64_t elements);

}  // namespace salf::convert
