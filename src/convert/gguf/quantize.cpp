#include <c10/util/floating_point_utils.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>

#include "convert/gguf/dequantize.h"

namespace salf::convert {
namespace {

using c10::detail::fp32_to_bits;

constexpr std::int64_t kBlock = 32;

void store(std::uint32_t value, std::uint8_t* target) { std::memcpy(target, &value, 2); }

// value / 2^shift, rounded to the nearest, ties to even.
std::uint32_t rounded(std::uint32_t value, std::uint32_t shift) {
  const std::uint32_t half = 1U << (shift - 1U);
  const std::uint32_t whole = value >> shift;
  const std::uint32_t rest = value & ((1U << shift) - 1U);
  return whole + (rest > half || (rest == half && (whole & 1U) != 0) ? 1U : 0U);
}

std::uint32_t half_of(float value) {
  const std::uint32_t bits = fp32_to_bits(value);
  const std::uint32_t sign = bits >> 16U & 0x8000U;
  const std::uint32_t magnitude = bits & 0x7FFFFFFFU;
  constexpr std::uint32_t kInfinity = 0x7F800000U;
  constexpr std::uint32_t kHalfInfinity = 0x7C00U;
  if (magnitude > kInfinity) {  // NaN stays one
    const std::uint32_t payload = magnitude >> 13U & 0x3FFU;
    return sign | kHalfInfinity | (payload != 0 ? payload : 0x200U);
  }
  // A carry out of the mantissa rightly goes into the exponent; from 65520 on it makes infinity.
  constexpr std::uint32_t kSmallestNormal = 0x38800000U;  // 2^-14
  if (magnitude >= kSmallestNormal)
    return sign | std::min(rounded(magnitude - 0x38000000U, 13), kHalfInfinity);
  // Below 2^-14 a half float counts 2^-24.
  const std::uint32_t exponent = magnitude >> 23U;
  if (exponent < 102) return sign;  // below 2^-25
  return sign | rounded((magnitude & 0x7FFFFFU) | 0x800000U, 126U - exponent);
}

std::uint32_t bfloat16_of(float value) {
  const std::uint32_t bits = fp32_to_bits(value);
  if ((bits & 0x7FFFFFFFU) > 0x7F800000U) {
    const std::uint32_t upper = bits >> 16U;
    return (upper & 0x7FU) != 0 ? upper : upper | 0x40U;
  }
  return rounded(bits, 16);
}

void encode_q8_0(const float* source, std::uint8_t* block) {
  float largest = 0.0F;
  bool finite = true;
  for (std::int64_t i = 0; i < kBlock; ++i) {
    finite = finite && std::isfinite(source[i]);
    largest = std::max(largest, std::fabs(source[i]));
  }
  const float scale = finite ? largest / 127.0F : std::numeric_limits<float>::quiet_NaN();
  const float inverse = scale > 0.0F ? 1.0F / scale : 0.0F;
  store(half_of(scale), block);
  for (std::int64_t i = 0; i < kBlock; ++i) {
    // The inverse of a tiny scale is infinite.
    const float number = std::isfinite(inverse) && finite ? std::round(source[i] * inverse) : 0.0F;
    block[2 + i] = static_cast<std::uint8_t>(static_cast<std::int8_t>(number));
  }
}

}  // namespace

void encode(TensorType type, const float* source, std::int64_t elements, std::uint8_t* target) {
  if (type == TensorType::kF32) {
    std::copy_n(reinterpret_cast<const std::uint8_t*>(source), 4 * elements, target);
  } else if (type == TensorType::kQ8_0) {
    const std::int64_t bytes = block_layout(type).bytes;
    for (std::int64_t block = 0; block < elements / kBlock; ++block)
      encode_q8_0(source + block * kBlock, target + block * bytes);
  } else {
    for (std::int64_t i = 0; i < elements; ++i)
      store(type == TensorType::kF16 ? half_of(source[i]) : bfloat16_of(source[i]), target + 2 * i);
  }
}

std::uint64_t encoded_bytes(TensorType type, std::int64_t elements) {
  const BlockLayout layout = block_layout(type);
  return static_cast<std::uint64_t>(elements / layout.elements * layout.bytes);
}

}  // namespace salf::convert
