#include "convert/gguf/dequantize.h"

#include <array>
#include <cstring>

namespace salf::convert {
namespace {

// The layouts of ggml-common.h. A block is: scales (half floats), then packed integers; element
// order is explained at each decoder. 32 elements a block, 256 in the K family.
constexpr std::int64_t kSmall = 32;
constexpr std::int64_t kLarge = 256;

struct TypeEntry {
  TensorType type;
  const char* name;
  BlockLayout layout;
};

constexpr std::array<TypeEntry, 11> kTypes{{
    {TensorType::kF32, "F32", {1, 4}},
    {TensorType::kF16, "F16", {1, 2}},
    {TensorType::kBF16, "BF16", {1, 2}},
    {TensorType::kQ4_0, "Q4_0", {kSmall, 18}},
    {TensorType::kQ4_1, "Q4_1", {kSmall, 20}},
    {TensorType::kQ5_0, "Q5_0", {kSmall, 22}},
    {TensorType::kQ5_1, "Q5_1", {kSmall, 24}},
    {TensorType::kQ8_0, "Q8_0", {kSmall, 34}},
    {TensorType::kQ4_K, "Q4_K", {kLarge, 144}},
    {TensorType::kQ5_K, "Q5_K", {kLarge, 176}},
    {TensorType::kQ6_K, "Q6_K", {kLarge, 210}},
}};

struct OtherType {
  std::uint32_t code;
  const char* name;
};

// Named so that an error can say what the file holds.
constexpr std::array<OtherType, 22> kOtherTypes{{
    {9, "Q8_1"},
    {10, "Q2_K"},
    {11, "Q3_K"},
    {15, "Q8_K"},
    {16, "IQ2_XXS"},
    {17, "IQ2_XS"},
    {18, "IQ3_XXS"},
    {19, "IQ1_S"},
    {20, "IQ4_NL"},
    {21, "IQ3_S"},
    {22, "IQ2_S"},
    {23, "IQ4_XS"},
    {24, "I8"},
    {25, "I16"},
    {26, "I32"},
    {27, "I64"},
    {28, "F64"},
    {29, "IQ1_M"},
    {34, "TQ1_0"},
    {35, "TQ2_0"},
    {39, "MXFP4"},
    {40, "NVFP4"},
}};

template <class T>
T load(const std::uint8_t* source) {
  T value;
  std::memcpy(&value, source, sizeof value);
  return value;
}

float float_of_bits(std::uint32_t bits) {
  float value = 0.0F;
  std::memcpy(&value, &bits, sizeof value);
  return value;
}

// IEEE 754 half precision; subnormals, infinities and NaN included.
float load_half(const std::uint8_t* source) {
  const std::uint32_t bits = load<std::uint16_t>(source);
  const std::uint32_t sign = (bits & 0x8000U) << 16U;
  const std::uint32_t exponent = (bits >> 10U) & 0x1FU;
  const std::uint32_t mantissa = bits & 0x3FFU;
  if (exponent == 0x1FU) return float_of_bits(sign | 0x7F800000U | (mantissa << 13U));
  if (exponent != 0) return float_of_bits(sign | ((exponent + 112U) << 23U) | (mantissa << 13U));
  const float magnitude = static_cast<float>(mantissa) * 0x1p-24F;
  return sign != 0 ? -magnitude : magnitude;
}

float load_bfloat16(const std::uint8_t* source) {
  return float_of_bits(static_cast<std::uint32_t>(load<std::uint16_t>(source)) << 16U);
}

float to_float(std::uint32_t value) { return static_cast<float>(static_cast<std::int32_t>(value)); }

// In the 32-element families byte j holds element j in its low and element j+16 in its high four
// bits.

void decode_q4_0(const std::uint8_t* block, float* out) {
  const float scale = load_half(block);
  const std::uint8_t* packed = block + 2;
  for (int j = 0; j < 16; ++j) {
    const std::uint32_t byte = packed[j];
    out[j] = scale * (to_float(byte & 15U) - 8.0F);
    out[j + 16] = scale * (to_float(byte >> 4U) - 8.0F);
  }
}

void decode_q4_1(const std::uint8_t* block, float* out) {
  const float scale = load_half(block);
  const float minimum = load_half(block + 2);
  const std::uint8_t* packed = block + 4;
  for (int j = 0; j < 16; ++j) {
    const std::uint32_t byte = packed[j];
    out[j] = scale * to_float(byte & 15U) + minimum;
    out[j + 16] = scale * to_float(byte >> 4U) + minimum;
  }
}

// The fifth bit of element j is bit j of a 32-bit word.
std::uint32_t five_bits(std::uint32_t low, std::uint32_t high_bits, unsigned element) {
  return low | (((high_bits >> element) & 1U) << 4U);
}

void decode_q5(
    const std::uint8_t* packed, std::uint32_t high, float scale, float offset, float* out) {
  for (unsigned j = 0; j < 16; ++j) {
    const std::uint32_t byte = packed[j];
    out[j] = scale * to_float(five_bits(byte & 15U, high, j)) + offset;
    out[j + 16] = scale * to_float(five_bits(byte >> 4U, high, j + 16)) + offset;
  }
}

void decode_q5_0(const std::uint8_t* block, float* out) {
  const float scale = load_half(block);
  decode_q5(block + 6, load<std::uint32_t>(block + 2), scale, -16.0F * scale, out);
}

void decode_q5_1(const std::uint8_t* block, float* out) {
  decode_q5(block + 8, load<std::uint32_t>(block + 4), load_half(block), load_half(block + 2), out);
}

void decode_q8_0(const std::uint8_t* block, float* out) {
  const float scale = load_half(block);
  for (int j = 0; j < 32; ++j) {
    out[j] = scale * static_cast<float>(static_cast<std::int8_t>(block[2 + j]));
  }
}

struct ScaleAndMinimum {
  float scale = 0.0F;
  float minimum = 0.0F;
};

// Q4_K and Q5_K have eight groups of 32 elements, each with a six-bit scale and a six-bit minimum,
// packed in twelve bytes: groups 0-3 whole in bytes 0-7, the upper two bits of groups 4-7 above
// them.
ScaleAndMinimum group_scale(const std::uint8_t* scales, unsigned group) {
  if (group < 4) return {to_float(scales[group] & 63U), to_float(scales[group + 4] & 63U)};
  const std::uint32_t low = scales[group + 4];
  const std::uint32_t scale =
      (low & 15U) | ((static_cast<std::uint32_t>(scales[group - 4]) >> 6U) << 4U);
  const std::uint32_t minimum =
      (low >> 4U) | ((static_cast<std::uint32_t>(scales[group]) >> 6U) << 4U);
  return {to_float(scale), to_float(minimum)};
}

// 32 bytes hold two groups: the low four bits are the even group's.
void decode_q4_k(const std::uint8_t* block, float* out) {
  const float scale = load_half(block);
  const float minimum = load_half(block + 2);
  for (unsigned group = 0; group < 8; ++group) {
    const ScaleAndMinimum part = group_scale(block + 4, group);
    const float group_step = scale * part.scale;
    const float offset = minimum * part.minimum;
    const std::uint8_t* packed = block + 16 + static_cast<std::ptrdiff_t>(group / 2) * 32;
    const unsigned shift = (group % 2) * 4U;
    for (int j = 0; j < 32; ++j) {
      *out++ =
          group_step * to_float((static_cast<std::uint32_t>(packed[j]) >> shift) & 15U) - offset;
    }
  }
}

// As Q4_K; the fifth bit of element j of a group is bit `group` of byte j.
void decode_q5_k(const std::uint8_t* block, float* out) {
  const float scale = load_half(block);
  const float minimum = load_half(block + 2);
  const std::uint8_t* high = block + 16;
  for (unsigned group = 0; group < 8; ++group) {
    const ScaleAndMinimum part = group_scale(block + 4, group);
    const float group_step = scale * part.scale;
    const float offset = minimum * part.minimum;
    const std::uint8_t* packed = block + 48 + static_cast<std::ptrdiff_t>(group / 2) * 32;
    const unsigned shift = (group % 2) * 4U;
    for (int j = 0; j < 32; ++j) {
      const std::uint32_t low = (static_cast<std::uint32_t>(packed[j]) >> shift) & 15U;
      *out++ = group_step * to_float(five_bits(low, high[j] >> group, 0)) - offset;
    }
  }
}

// Two halves of 128 elements: 64 bytes of low four bits, 32 bytes of upper two bits, eight signed
// scales of 16 elements each.
void decode_q6_k(const std::uint8_t* block, float* out) {
  const float scale = load_half(block + 208);
  for (unsigned half = 0; half < 2; ++half) {
    const std::uint8_t* low = block + static_cast<std::ptrdiff_t>(half) * 64;
    const std::uint8_t* high = block + 128 + static_cast<std::ptrdiff_t>(half) * 32;
    const std::uint8_t* scales = block + 192 + static_cast<std::ptrdiff_t>(half) * 8;
    for (unsigned j = 0; j < 128; ++j) {
      const std::uint32_t four =
          (static_cast<std::uint32_t>(low[j % 64]) >> (j < 64 ? 0U : 4U)) & 15U;
      const std::uint32_t two = (static_cast<std::uint32_t>(high[j % 32]) >> (2U * (j / 32))) & 3U;
      const auto group_step = scale * static_cast<float>(static_cast<std::int8_t>(scales[j / 16]));
      *out++ = group_step * (to_float(four | (two << 4U)) - 32.0F);
    }
  }
}

template <class Decoder>
void decode_blocks(TensorType type, const std::uint8_t* source, std::int64_t elements,
    float* target, Decoder decode) {
  const BlockLayout layout = block_layout(type);
  for (std::int64_t done = 0; done < elements; done += layout.elements) {
    decode(source, target + done);
    source += layout.bytes;
  }
}

}  // namespace

std::optional<TensorType> tensor_type(std::uint32_t code) {
  for (const TypeEntry& entry : kTypes) {
    if (static_cast<std::uint32_t>(entry.type) == code) return entry.type;
  }
  return std::nullopt;
}

std::string tensor_type_name(std::uint32_t code) {
  for (const TypeEntry& entry : kTypes) {
    if (static_cast<std::uint32_t>(entry.type) == code) return entry.name;
  }
  for (const OtherType& entry : kOtherTypes) {
    if (entry.code == code) return entry.name;
  }
  return "type " + std::to_string(code);
}

std::string supported_tensor_types() {
  std::string text;
  for (const TypeEntry& entry : kTypes) {
    if (!text.empty()) text += ", ";
    text += entry.name;
  }
  return text;
}

BlockLayout block_layout(TensorType type) {
  for (const TypeEntry& entry : kTypes) {
    if (entry.type == type) return entry.layout;
  }
  return {};
}

void dequantize(TensorType type, const std::uint8_t* source, std::int64_t elements, float* target) {
  switch (type) {
    case TensorType::kF32:
      std::memcpy(target, source, static_cast<std::size_t>(elements) * sizeof(float));
      return;
    case TensorType::kF16:
      for (std::int64_t i = 0; i < elements; ++i) target[i] = load_half(source + 2 * i);
      return;
    case TensorType::kBF16:
      for (std::int64_t i = 0; i < elements; ++i) target[i] = load_bfloat16(source + 2 * i);
      return;
    case TensorType::kQ4_0: return decode_blocks(type, source, elements, target, decode_q4_0);
    case TensorType::kQ4_1: return decode_blocks(type, source, elements, target, decode_q4_1);
    case TensorType::kQ5_0: return decode_blocks(type, source, elements, target, decode_q5_0);
    case TensorType::kQ5_1: return decode_blocks(type, source, elements, target, decode_q5_1);
    case TensorType::kQ8_0: return decode_blocks(type, source, elements, target, decode_q8_0);
    case TensorType::kQ4_K: return decode_blocks(type, source, elements, target, decode_q4_k);
    case TensorType::kQ5_K: return decode_blocks(type, source, elements, target, decode_q5_k);
    case TensorType::kQ6_K: return decode_blocks(type, source, elements, target, decode_q6_k);
  }
}

}  // namespace salf::convert
