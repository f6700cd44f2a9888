#include "convert/gguf/dequantize.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <vector>

#include "convert/gguf/gguf.h"
#include "core/files.h"

namespace salf::convert {
namespace {

const std::filesystem::path kGolden = std::filesystem::path(SALF_TEST_DATA) / "import";

std::vector<float> decode(const GgufFile& file, const GgufTensor& tensor) {
  std::vector<float> values(static_cast<std::size_t>(tensor.elements));
  dequantize(tensor.type, file.data(tensor), tensor.elements, values.data());
  return values;
}

// Every product is exact in float32 and at most one sum rounds, so the values are equal to the last
// bit.
TEST(Dequantize, EqualsTheGgufPackageForEveryEncoding) {
  const GgufFile file(kGolden / "types.gguf");
  const std::string expected = core::read_file(kGolden / "types.f32");
  ASSERT_EQ(file.tensors().size(), 24U);
  std::size_t at = 0;
  for (const GgufTensor& tensor : file.tensors()) {
    EXPECT_EQ(tensor_type_name(static_cast<std::uint32_t>(tensor.type)), tensor.name);
    for (const float value : decode(file, tensor)) {
      float wanted = 0.0F;
      ASSERT_LE(at + sizeof wanted, expected.size());
      std::memcpy(&wanted, expected.data() + at, sizeof wanted);
      at += sizeof wanted;
      ASSERT_EQ(value, wanted) << tensor.name << ", number " << at / sizeof wanted;
    }
  }
  EXPECT_EQ(at, expected.size());
}

float half(std::uint16_t bits) {
  std::uint8_t bytes[2];
  std::memcpy(bytes, &bits, sizeof bits);
  float value = 0.0F;
  dequantize(TensorType::kF16, bytes, 1, &value);
  return value;
}

TEST(Dequantize, TakesAnyAddress) {
  const GgufFile file(kGolden / "types.gguf");
  for (const GgufTensor& tensor : file.tensors()) {
    std::vector<std::uint8_t> moved(tensor.bytes + 1);
    std::memcpy(moved.data() + 1, file.data(tensor), tensor.bytes);
    std::vector<float> values(static_cast<std::size_t>(tensor.elements));
    dequantize(tensor.type, moved.data() + 1, tensor.elements, values.data());
    EXPECT_EQ(values, decode(file, tensor)) << tensor.name;
  }
}

TEST(Dequantize, ReadsEveryKindOfHalfFloat) {
  EXPECT_EQ(half(0x3C00), 1.0F);
  EXPECT_EQ(half(0xC000), -2.0F);
  EXPECT_EQ(half(0x0001), std::ldexp(1.0F, -24));  // the smallest subnormal
  EXPECT_EQ(half(0x83FF), -1023.0F * std::ldexp(1.0F, -24));
  EXPECT_EQ(half(0x0400), std::ldexp(1.0F, -14));  // the smallest normal
  EXPECT_EQ(half(0x7BFF), 65504.0F);
  EXPECT_TRUE(std::signbit(half(0x8000)));
  EXPECT_EQ(half(0xFC00), -INFINITY);
  EXPECT_TRUE(std::isnan(half(0x7E01)));
}

TEST(Dequantize, NamesEncodings) {
  EXPECT_FALSE(tensor_type(15).has_value());
  EXPECT_EQ(tensor_type_name(15), "Q8_K");
  EXPECT_EQ(tensor_type_name(4), "type 4");  // ggml had it once
  EXPECT_EQ(tensor_type_name(77), "type 77");
  EXPECT_EQ(tensor_type(std::string("Q4_K")), tensor_type(12));
  EXPECT_EQ(tensor_type(std::string("MXFP4")), tensor_type(39));
}

}  // namespace
}  // namespace salf::convert
