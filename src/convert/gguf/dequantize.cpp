#include "convert/gguf/dequantize.h"

#include <c10/util/floating_point_utils.h>

#include <algorithm>
#include <array>
#include <cstring>

#include "core/text.h"

namespace salf::convert {
namespace {

using c10::detail::fp32_from_bits;

// Layouts as in ggml-common.h: a block holds scales (half floats), then packed integers.
constexpr std::int64_t kSmall = 32;
constexpr std::int64_t kLarge = 256;

template <class T> T load(const std::uint8_t* source) {
  T value;
  std::memcpy(&value, source, sizeof value);
  return value;
}

// IEEE 754 half precision with subnormals, infinities and NaN.
float load_half(const std::uint8_t* source) {
  const std::uint32_t bits = load<std::uint16_t>(source);
  const std::uint32_t sign = (bits & 0x8000U) << 16U;
  const std::uint32_t exponent = (bits >> 10U) & 0x1FU;
  const std::uint32_t mantissa = bits & 0x3FFU;
  if (exponent == 0x1FU) return fp32_from_bits(sign | 0x7F800000U | (mantissa << 13U));
  if (exponent != 0) return fp32_from_bits(sign | ((exponent + 112U) << 23U) | (mantissa << 13U));
  const float magnitude = static_cast<float>(mantissa) * 0x1p-24F;
  return sign != 0 ? -magnitude : magnitude;
}

float load_bfloat16(const std::uint8_t* source) {
  return fp32_from_bits(static_cast<std::uint32_t>(load<std::uint16_t>(source)) << 16U);
}

float to_float(std::uint32_t value) { return static_cast<float>(static_cast<std::int32_t>(value)); }

// The fifth bit of element j is bit j of a 32-bit word.
std::uint32_t five_bits(std::uint32_t low, std::uint32_t high_bits, unsigned element) {
  return low | (((high_bits >> element) & 1U) << 4U);
}

// 32 elements of four bits: byte j holds element j in its low and element j + 16 in its high half.
// value(bits, element) gives the number.
template <class Value>
void decode_halves(const std::uint8_t* packed, float* out, const Value& value) {
  for (unsigned j = 0; j < 16; ++j) {
    const std::uint32_t byte = packed[j];
    out[j] = value(byte & 15U, j);
    out[j + 16] = value(byte >> 4U, j + 16);
  }
}

void decode_q4_0(const std::uint8_t* block, float* out) {
  const float scale = load_half(block);
  decode_halves(block + 2, out,
      [=](std::uint32_t bits, unsigned) { return scale * (to_float(bits) - 8.0F); });
}

void decode_q4_1(const std::uint8_t* block, float* out) {
  const float scale = load_half(block);
  const float minimum = load_half(block + 2);
  decode_halves(block + 4, out,
      [=](std::uint32_t bits, unsigned) { return scale * to_float(bits) + minimum; });
}

void decode_q5(
    const std::uint8_t* packed, std::uint32_t high, float scale, float offset, float* out) {
  decode_halves(packed, out, [=](std::uint32_t bits, unsigned element) {
    return scale * to_float(five_bits(bits, high, element)) + offset;
  });
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

// Q4_K and Q5_K: eight groups of 32 elements, each with a six-bit scale and minimum, in twelve
// bytes. Bytes 0-7 hold groups 0-3, and the upper two bits of groups 4-7 above them.
ScaleAndMinimum group_scale(const std::uint8_t* scales, unsigned group) {
  if (group < 4) return {to_float(scales[group] & 63U), to_float(scales[group + 4] & 63U)};
  const std::uint32_t low = scales[group + 4];
  const std::uint32_t scale =
      (low & 15U) | ((static_cast<std::uint32_t>(scales[group - 4]) >> 6U) << 4U);
  const std::uint32_t minimum =
      (low >> 4U) | ((static_cast<std::uint32_t>(scales[group]) >> 6U) << 4U);
  return {to_float(scale), to_float(minimum)};
}

// 32 bytes hold two groups: the low four bits are the even group's. With kFive (Q5_K) the fifth bit
// of element j of a group is bit `group` of byte j of `high`.
template <bool kFive> void decode_groups(
    const std::uint8_t* block, const std::uint8_t* high, const std::uint8_t* packed, float* out) {
  const float scale = load_half(block);
  const float minimum = load_half(block + 2);
  for (unsigned group = 0; group < 8; ++group) {
    const ScaleAndMinimum part = group_scale(block + 4, group);
    const float group_step = scale * part.scale;
    const float offset = minimum * part.minimum;
    const std::uint8_t* bytes = packed + static_cast<std::ptrdiff_t>(group / 2) * 32;
    const unsigned shift = (group % 2) * 4U;
    for (int j = 0; j < 32; ++j) {
      std::uint32_t bits = (static_cast<std::uint32_t>(bytes[j]) >> shift) & 15U;
      if constexpr (kFive) bits = five_bits(bits, high[j] >> group, 0);
      *out++ = group_step * to_float(bits) - offset;
    }
  }
}

void decode_q4_k(const std::uint8_t* block, float* out) {
  decode_groups<false>(block, nullptr, block + 16, out);
}

void decode_q5_k(const std::uint8_t* block, float* out) {
  decode_groups<true>(block, block + 16, block + 48, out);
}

// Two halves of 128 elements: 64 bytes of low four bits, 32 of upper two bits, 8 signed scales.
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

struct TypeEntry {
  TensorType type;
  const char* name;
  BlockLayout layout;
  void (*decode)(const std::uint8_t* block, float* out);  // nullptr: single numbers
};

constexpr std::array<TypeEntry, 11> kTypes{{{TensorType::kF32, "F32", {1, 4}, nullptr},
    {TensorType::kF16, "F16", {1, 2}, nullptr}, {TensorType::kBF16, "BF16", {1, 2}, nullptr},
    {TensorType::kQ4_0, "Q4_0", {kSmall, 18}, decode_q4_0},
    {TensorType::kQ4_1, "Q4_1", {kSmall, 20}, decode_q4_1},
    {TensorType::kQ5_0, "Q5_0", {kSmall, 22}, decode_q5_0},
    {TensorType::kQ5_1, "Q5_1", {kSmall, 24}, decode_q5_1},
    {TensorType::kQ8_0, "Q8_0", {kSmall, 34}, decode_q8_0},
    {TensorType::kQ4_K, "Q4_K", {kLarge, 144}, decode_q4_k},
    {TensorType::kQ5_K, "Q5_K", {kLarge, 176}, decode_q5_k},
    {TensorType::kQ6_K, "Q6_K", {kLarge, 210}, decode_q6_k}}};

// Encodings that only an error names.
struct OtherType {
  std::uint32_t code;
  const char* name;
};
constexpr std::array<OtherType, 22> kOtherTypes{{{9, "Q8_1"}, {10, "Q2_K"}, {11, "Q3_K"},
    {15, "Q8_K"}, {16, "IQ2_XXS"}, {17, "IQ2_XS"}, {18, "IQ3_XXS"}, {19, "IQ1_S"}, {20, "IQ4_NL"},
    {21, "IQ3_S"}, {22, "IQ2_S"}, {23, "IQ4_XS"}, {24, "I8"}, {25, "I16"}, {26, "I32"}, {27, "I64"},
    {28, "F64"}, {29, "IQ1_M"}, {34, "TQ1_0"}, {35, "TQ2_0"}, {39, "MXFP4"}, {40, "NVFP4"}}};

const TypeEntry& entry_of(TensorType type) {
  const auto* const found = std::find_if(
      kTypes.begin(), kTypes.end(), [type](const TypeEntry& entry) { return entry.type == type; });
  return found == kTypes.end() ? kTypes.front() : *found;
}

}  // namespace

std::optional<TensorType> tensor_type(std::uint32_t code) {
  for (const TypeEntry& entry : kTypes) {
    if (static_cast<std::uint32_t>(entry.type) == code) return entry.type;
  }
  return std::nullopt;
}

std::optional<TensorType> tensor_type(const std::string& name) {
  for (const TypeEntry& entry : kTypes) {
    if (name == entry.name) return entry.type;
  }
  return std::nullopt;
}

std::optional<TensorType> tensor_type(c10::ScalarType type) {
  if (type == c10::kFloat) return TensorType::kF32;
  if (type == c10::kHalf) return TensorType::kF16;
  if (type == c10::kBFloat16) return TensorType::kBF16;
  return std::nullopt;
}

std::string tensor_type_name(TensorType type) { return entry_of(type).name; }

std::string tensor_type_name(std::uint32_t code) {
  if (const auto type = tensor_type(code)) return tensor_type_name(*type);
  for (const OtherType& entry : kOtherTypes) {
    if (entry.code == code) return entry.name;
  }
  return "type " + std::to_string(code);
}

std::string supported_tensor_types() {
  std::vector<std::string> names;
  for (const TypeEntry& entry : kTypes) names.emplace_back(entry.name);
  return core::join(names, ", ");
}

BlockLayout block_layout(TensorType type) { return entry_of(type).layout; }

void dequantize(TensorType type, const std::uint8_t* source, std::int64_t elements, float* target) {
  if (type == TensorType::kF32) {
    std::memcpy(target, source, static_cast<std::size_t>(elements) * sizeof(float));
  } else if (type == TensorType::kF16) {
    for (std::int64_t i = 0; i < elements; ++i) target[i] = load_half(source + 2 * i);
  } else if (type == TensorType::kBF16) {
    for (std::int64_t i = 0; i < elements; ++i) target[i] = load_bfloat16(source + 2 * i);
  } else {
    const TypeEntry& entry = entry_of(type);
    for (std::int64_t done = 0; done < elements; done += entry.layout.elements) {
      entry.decode(source, target + done);
      source += entry.layout.bytes;
    }
  }
}

}  // namespace salf::convert
