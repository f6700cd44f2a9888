#include <c10/util/BFloat16.h>
#include <c10/util/Half.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <limits>
#include <vector>

#include "convert/gguf/dequantize.h"
#include "core/random.h"

namespace salf::convert {
namespace {

std::vector<std::uint8_t> encoded(TensorType type, const std::vector<float>& values) {
  const auto elements = static_cast<std::int64_t>(values.size());
  std::vector<std::uint8_t> bytes(encoded_bytes(type, elements));
  encode(type, values.data(), elements, bytes.data());
  return bytes;
}

std::uint16_t encoded_bits(TensorType type, float value) {
  const auto bytes = encoded(type, {value});
  return static_cast<std::uint16_t>(bytes[0] | bytes[1] << 8U);
}

// Infinities, subnormals and both zeros are among them.
TEST(Quantize, GivesEveryHalfFloatItsBitsBack) {
  for (const TensorType type : {TensorType::kF16, TensorType::kBF16}) {
    for (std::uint32_t bits = 0; bits < 65536; ++bits) {
      const std::uint8_t source[2] = {
          static_cast<std::uint8_t>(bits & 0xFFU), static_cast<std::uint8_t>(bits >> 8U)};
      float value = 0.0F;
      dequantize(type, source, 1, &value);
      if (std::isnan(value)) continue;
      ASSERT_EQ(encoded_bits(type, value), bits)
          << tensor_type_name(static_cast<std::uint32_t>(type));
    }
  }
}

// c10's conversions are others' code for the same rounding.
TEST(Quantize, RoundsAsLibTorchDoes) {
  core::Random random(3, "floats");
  for (int i = 0; i < 200000; ++i) {
    const auto bits = static_cast<std::uint32_t>(random.below(1ULL << 32U));
    float value = 0.0F;
    std::memcpy(&value, &bits, sizeof value);
    if (std::isnan(value)) continue;
    ASSERT_EQ(encoded_bits(TensorType::kF16, value), c10::Half(value).x) << value;
    ASSERT_EQ(encoded_bits(TensorType::kBF16, value), c10::BFloat16(value).x) << value;
  }
  for (const float value : {65519.0F, 65520.0F, 1e38F, 0x1p-25F, 0x1.8p-25F, 0x1p-24F, 0x1.ffcp-15F,
           1.0F + 0x1p-11F, 1.0F + 0x3p-11F}) {
    EXPECT_EQ(encoded_bits(TensorType::kF16, value), c10::Half(value).x) << value;
  }
}

TEST(Quantize, KeepsWhatIsNotANumber) {
  std::uint32_t bits = 0x7F800001U;  // its payload is in the digits that are cut
  float value = 0.0F;
  std::memcpy(&value, &bits, sizeof value);
  for (const TensorType type : {TensorType::kF16, TensorType::kBF16}) {
    const auto bytes = encoded(type, {value});
    float back = 0.0F;
    dequantize(type, bytes.data(), 1, &back);
    EXPECT_TRUE(std::isnan(back));
  }
}

TEST(Quantize, Q8ScalesEachBlockByItsLargestMagnitude) {
  std::vector<float> values(64, 0.0F);
  values[3] = -254.0F;  // scale 2
  values[4] = 3.0F;     // 1.5 is rounded away from zero
  values[5] = -1.0F;
  values[40] = 1e-3F;
  const auto bytes = encoded(TensorType::kQ8_0, values);
  ASSERT_EQ(bytes.size(), 68U);
  EXPECT_EQ(bytes[0], 0x00);
  EXPECT_EQ(bytes[1], 0x40);  // 2.0 as a half float
  EXPECT_EQ(static_cast<std::int8_t>(bytes[2 + 3]), -127);
  EXPECT_EQ(static_cast<std::int8_t>(bytes[2 + 4]), 2);
  EXPECT_EQ(static_cast<std::int8_t>(bytes[2 + 5]), -1);
  EXPECT_EQ(static_cast<std::int8_t>(bytes[34 + 2 + 8]), 127);
}

TEST(Quantize, Q8IsWithinHalfAStep) {
  core::Random random(4, "blocks");
  std::vector<float> values;
  for (int i = 0; i < 32 * 500; ++i)
    values.push_back(static_cast<float>(random.below(2001)) / 1000.0F - 1.0F);
  const auto bytes = encoded(TensorType::kQ8_0, values);
  std::vector<float> back(values.size());
  dequantize(TensorType::kQ8_0, bytes.data(), static_cast<std::int64_t>(back.size()), back.data());
  for (std::size_t block = 0; block < values.size(); block += 32) {
    float largest = 0.0F;
    for (std::size_t i = block; i < block + 32; ++i)
      largest = std::max(largest, std::fabs(values[i]));
    // The scale itself is rounded to 11 bits.
    for (std::size_t i = block; i < block + 32; ++i)
      ASSERT_NEAR(back[i], values[i], largest / 127.0F * 0.5F + largest * 0x1p-11F) << i;
  }
}

TEST(Quantize, Q8OfOddBlocks) {
  for (const float odd : {0.0F, 1e-44F, 1e-38F}) {
    const auto bytes = encoded(TensorType::kQ8_0, std::vector<float>(32, odd));
    std::vector<float> back(32);
    dequantize(TensorType::kQ8_0, bytes.data(), 32, back.data());
    EXPECT_EQ(back[0], 0.0F);
  }
  std::vector<float> values(32, 1.0F);
  values[7] = std::numeric_limits<float>::infinity();
  const auto bytes = encoded(TensorType::kQ8_0, values);
  std::vector<float> back(32);
  dequantize(TensorType::kQ8_0, bytes.data(), 32, back.data());
  EXPECT_TRUE(std::isnan(back[0]));
}

}  // namespace
}  // namespace salf::convert
