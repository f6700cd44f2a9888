#include "core/text.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstdint>
#include <limits>

namespace salf::core {
namespace {

TEST(Text, Numbers) {
  EXPECT_EQ(format_number(0.42183), "0.4218");
  EXPECT_EQ(format_number(2.5), "2.5");
  EXPECT_EQ(format_number(100.0), "100");
  EXPECT_EQ(format_number(12345.6), "12346");
  EXPECT_EQ(format_number(-0.5), "-0.5");
  EXPECT_EQ(format_number(0.0), "0");
  EXPECT_EQ(format_number(-0.0), "0");
  EXPECT_EQ(format_number(1.5e-7), "1.5e-07");
  EXPECT_EQ(format_number(3e15), "3e+15");
  EXPECT_EQ(format_number(0.99999), "1");
  EXPECT_EQ(format_number(1.23456789, 6), "1.23457");
  EXPECT_EQ(format_number(std::nan("")), "nan");
  EXPECT_EQ(format_number(-INFINITY), "-inf");
}

TEST(Text, Counts) {
  EXPECT_EQ(format_count(0), "0");
  EXPECT_EQ(format_count(999), "999");
  EXPECT_EQ(format_count(1000), "1,000");
  EXPECT_EQ(format_count(1234567), "1,234,567");
  EXPECT_EQ(format_count(-123456), "-123,456");
  EXPECT_EQ(format_count(std::numeric_limits<std::int64_t>::min()), "-9,223,372,036,854,775,808");
}

TEST(Text, Seconds) {
  EXPECT_EQ(format_seconds(0.0), "0 s");
  EXPECT_EQ(format_seconds(0.0042), "4.2 ms");
  EXPECT_EQ(format_seconds(0.42), "0.42 s");
  EXPECT_EQ(format_seconds(9.96), "10 s");
  EXPECT_EQ(format_seconds(12.3), "12 s");
  EXPECT_EQ(format_seconds(59.7), "1 min 00 s");
  EXPECT_EQ(format_seconds(185.0), "3 min 05 s");
  EXPECT_EQ(format_seconds(3599.8), "1 h 00 min");
  EXPECT_EQ(format_seconds(7810.0), "2 h 10 min");
  EXPECT_EQ(format_seconds(-12.0), "-12 s");
  EXPECT_EQ(format_seconds(std::nan("")), "nan s");
}

TEST(Text, Bytes) {
  EXPECT_EQ(format_bytes(0), "0 B");
  EXPECT_EQ(format_bytes(999), "999 B");
  EXPECT_EQ(format_bytes(1000), "1.0 kB");
  EXPECT_EQ(format_bytes(98'400'000), "98.4 MB");
  EXPECT_EQ(format_bytes(999'999), "1.0 MB");
  EXPECT_EQ(format_bytes(std::numeric_limits<std::uint64_t>::max()), "18.4 EB");
}

TEST(Text, Join) {
  EXPECT_EQ(join({}, ", "), "");
  EXPECT_EQ(join({"a"}, ", "), "a");
  EXPECT_EQ(join({"a", "", "b"}, ", "), "a, , b");
}

// Encodes without any check: what a wrong encoder might write.
std::string encoded(std::uint32_t code, int bytes) {
  if (bytes == 1) return {static_cast<char>(code)};
  std::string text;
  for (int i = 1; i < bytes; ++i) {
    text.insert(text.begin(), static_cast<char>(0x80U | (code & 0x3FU)));
    code >>= 6U;
  }
  const std::uint32_t lead = (0xF00U >> static_cast<unsigned>(bytes)) & 0xFFU;
  text.insert(text.begin(), static_cast<char>(lead | code));
  return text;
}

int shortest_form(std::uint32_t code) {
  return code < 0x80 ? 1 : code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
}

TEST(Utf8, EveryCodePointIsValidInItsShortestFormOnly) {
  for (std::uint32_t code = 0; code < 0x110000; ++code) {
    const bool surrogate = code >= 0xD800 && code < 0xE000;
    const int shortest = shortest_form(code);
    ASSERT_EQ(!invalid_utf8(encoded(code, shortest)), !surrogate) << code;
    for (int bytes = shortest + 1; bytes <= 4; ++bytes) {
      ASSERT_EQ(invalid_utf8(encoded(code, bytes)), std::optional<std::size_t>(0))
          << code << " in " << bytes;
    }
  }
  for (std::uint32_t code = 0x110000; code < 0x200000; code += 37) {
    ASSERT_TRUE(invalid_utf8(encoded(code, 4))) << code;
  }
}

TEST(Utf8, SaysWhereItEnds) {
  EXPECT_FALSE(invalid_utf8(""));
  EXPECT_EQ(invalid_utf8("ab\xFF"), std::optional<std::size_t>(2));
  EXPECT_EQ(invalid_utf8("é\x80"), std::optional<std::size_t>(2));
  EXPECT_EQ(invalid_utf8("a\xE6\x97"), std::optional<std::size_t>(1));
  EXPECT_EQ(invalid_utf8("a\xE6\x97x"), std::optional<std::size_t>(1));
  EXPECT_EQ(invalid_utf8("\xF8\x88\x80\x80\x80"), std::optional<std::size_t>(0));
}

TEST(Closest, FindsTypingErrorsOnly) {
  const std::vector<std::string> flags = {"--budget", "--batch-tokens", "--seed"};
  EXPECT_EQ(closest("--bugdet", flags), "--budget");
  EXPECT_EQ(closest("--batch-token", flags), "--batch-tokens");
  EXPECT_EQ(closest("--batchtokns", flags), "--batch-tokens");
  EXPECT_EQ(closest("--elephant", flags), "");
  EXPECT_EQ(closest("--seed", flags), "--seed");
  EXPECT_EQ(closest("", flags), "");
  EXPECT_EQ(closest("x", {"y"}), "");  // nothing of it would be left
  EXPECT_EQ(closest("word", {}), "");
  EXPECT_EQ(closest(std::string(100'000, 'a'), flags), "");
}

}  // namespace
}  // namespace salf::core
