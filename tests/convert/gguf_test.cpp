#include "convert/gguf/gguf.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>

#include "core/error.h"
#include "support/gguf_writer.h"
#include "support/temporary_folder.h"

namespace salf::convert {
namespace {

using support::GgufBytes;
using support::GgufWriter;
using support::write_bytes;
using ::testing::HasSubstr;

std::string floats(const std::vector<float>& values) {
  GgufBytes bytes;
  for (const float value : values) bytes.put(value);
  return bytes.bytes();
}

GgufWriter small_file() {
  GgufWriter writer;
  writer.text("general.architecture", "llama");
  writer.number("count", 7);
  writer.real("epsilon", 0.5F);
  writer.entry("negative", 11).put<std::int64_t>(-3);
  writer.entry("huge", 10).put<std::uint64_t>(~0ULL);
  writer.entry("yes", 7).put<std::uint8_t>(1);
  writer.texts("tokens", {"a", "", "c"});
  writer.integers("types", {1, -2});
  // An array of two arrays: [[1], []].
  writer.entry("nested", 9)
      .put<std::uint32_t>(9)
      .put<std::uint64_t>(2)
      .put<std::uint32_t>(0)
      .put<std::uint64_t>(1)
      .put<std::uint8_t>(1)
      .put<std::uint32_t>(8)
      .put<std::uint64_t>(0);
  writer.tensor("matrix", {2, 3}, 0, floats({1, 2, 3, 4, 5, 6}));
  writer.tensor("vector", {2}, 0, floats({-1, 8}));
  return writer;
}

// The message with which a file of these bytes is refused; "" if it is not.
std::string refusal(const std::string& bytes) {
  const testing::TemporaryFolder folder;
  try {
    const GgufFile file(write_bytes(folder / "model.gguf", bytes));
    return "";
  } catch (const Error& error) {
    EXPECT_TRUE(error.kind() == ErrorKind::kBadModel || bytes.empty()) << error.what();
    EXPECT_THAT(error.what(), HasSubstr("model.gguf"));
    return error.what();
  }
}

TEST(Gguf, ReadsMetadataAndTensors) {
  const testing::TemporaryFolder folder;
  for (const std::uint32_t version : {2U, 3U}) {
    const GgufFile file(write_bytes(folder / "model.gguf", small_file().bytes(version)));
    EXPECT_EQ(file.text("general.architecture"), "llama");
    EXPECT_EQ(file.integer("count"), 7);
    EXPECT_EQ(file.number("count"), 7.0);
    EXPECT_EQ(file.number("epsilon"), 0.5);
    EXPECT_EQ(file.integer("negative"), -3);
    EXPECT_EQ(file.boolean("yes"), true);
    EXPECT_EQ(file.list<std::string>("tokens"), (std::vector<std::string>{"a", "", "c"}));
    EXPECT_EQ(file.list<std::int64_t>("types"), (std::vector<std::int64_t>{1, -2}));
    EXPECT_EQ(file.metadata().at("nested").dump(), "[[1],[]]");
    EXPECT_FALSE(file.integer("absent").has_value());
    EXPECT_EQ(file.find("absent"), nullptr);
    const GgufTensor* matrix = file.find("matrix");
    ASSERT_NE(matrix, nullptr);
    EXPECT_EQ(matrix->shape, (std::vector<std::int64_t>{2, 3}));
    EXPECT_EQ(matrix->elements, 6);
    float value = 0.0F;
    dequantize(TensorType::kF32, file.data(*file.find("vector")) + 4, 1, &value);
    EXPECT_EQ(value, 8.0F);
  }
}

TEST(Gguf, SaysWhichKeyHasAnotherType) {
  const testing::TemporaryFolder folder;
  const GgufFile file(write_bytes(folder / "model.gguf", small_file().bytes()));
  EXPECT_THROW(file.integer("epsilon"), Error);
  EXPECT_THROW(file.integer("huge"), Error);
  EXPECT_THROW(file.number("yes"), Error);
  EXPECT_THROW(file.list<std::string>("types"), Error);
  EXPECT_THROW(file.list<std::int64_t>("tokens"), Error);
  try {
    static_cast<void>(file.text("count"));
    FAIL();
  } catch (const Error& error) {
    EXPECT_THAT(error.what(), HasSubstr("'count': expected a string, got 7"));
  }
}

TEST(Gguf, RefusesEveryTruncation) {
  const std::string whole = small_file().bytes();
  ASSERT_EQ(refusal(whole), "");
  // The last tensor is padded to 32 bytes; the padding alone may be missing.
  const std::size_t needed = whole.size() - 24;
  for (std::size_t length = 0; length < whole.size(); ++length) {
    EXPECT_EQ(refusal(whole.substr(0, length)).empty(), length >= needed)
        << length << " of " << whole.size();
  }
}

// Whatever a byte becomes, the reader gives a file whose tensors are inside it, or a clear error.
TEST(Gguf, SurvivesEveryByteChanged) {
  const std::string whole = small_file().bytes();
  const testing::TemporaryFolder folder;
  for (std::size_t at = 0; at < whole.size(); ++at) {
    for (const int value : {0x00, 0x01, 0x7F, 0x80, 0xFF}) {
      std::string changed = whole;
      changed[at] = static_cast<char>(value);
      try {
        const GgufFile file(write_bytes(folder / "model.gguf", changed));
        for (const GgufTensor& tensor : file.tensors()) {
          ASSERT_LE(tensor.offset, changed.size());
          ASSERT_LE(tensor.bytes, changed.size() - tensor.offset);
        }
      } catch (const Error& error) {
        ASSERT_THAT(error.what(), HasSubstr("at byte ")) << "byte " << at << " = " << value;
      }
    }
  }
}

GgufBytes header(std::uint64_t tensors, std::uint64_t entries) {
  GgufBytes bytes;
  bytes.raw("GGUF").put<std::uint32_t>(3).put(tensors).put(entries);
  return bytes;
}

TEST(Gguf, RefusesOtherFilesAndVersions) {
  EXPECT_THAT(refusal("PK\x03\x04 something else entirely"), HasSubstr("\"GGUF\""));
  EXPECT_THAT(refusal(small_file().bytes(1)), HasSubstr("expected 2 or 3"));
  EXPECT_THAT(refusal(small_file().bytes(0x03000000)), HasSubstr("big-endian"));
}

TEST(Gguf, BelievesNoCountOrLength) {
  EXPECT_THAT(refusal(header(~0ULL, 0).bytes()), HasSubstr("number of tensors"));
  EXPECT_THAT(refusal(header(0, ~0ULL).bytes()), HasSubstr("number of metadata entries"));
  EXPECT_THAT(
      refusal(header(0, 1).put(~0ULL).raw("12345678").bytes()), HasSubstr("length of a string"));
  GgufWriter array;
  array.entry("a", 9).put<std::uint32_t>(8).put<std::uint64_t>(1ULL << 61U);
  EXPECT_THAT(refusal(array.bytes()), HasSubstr("number of array elements"));
}

TEST(Gguf, RefusesBadMetadata) {
  const auto with = [](const std::function<void(GgufWriter&)>& change) {
    GgufWriter writer;
    change(writer);
    return refusal(writer.bytes());
  };
  EXPECT_THAT(with([](GgufWriter& w) { w.entry("a", 13).put<std::uint64_t>(0); }),
      HasSubstr("metadata type"));
  EXPECT_THAT(
      with([](GgufWriter& w) { w.entry("a", 7).put<std::uint8_t>(2); }), HasSubstr("truth value"));
  EXPECT_THAT(
      with([](GgufWriter& w) { w.number("a", 1), w.number("a", 1); }), HasSubstr("'a' again"));
  EXPECT_THAT(with([](GgufWriter& w) { w.number("\xFF", 1); }), HasSubstr("UTF-8"));
  EXPECT_THAT(
      with([](GgufWriter& w) { w.number("general.alignment", 48); }), HasSubstr("power of two"));
  EXPECT_THAT(
      with([](GgufWriter& w) { w.text("general.alignment", "32"); }), HasSubstr("another type"));
  EXPECT_THAT(with([](GgufWriter& w) {
    GgufBytes& deep = w.entry("a", 9);
    for (int i = 0; i < 1000; ++i) deep.put<std::uint32_t>(9).put<std::uint64_t>(1);
  }),
      HasSubstr("levels"));
}

GgufBytes tensor_header(
    const std::vector<std::uint64_t>& sizes, std::uint32_t type, std::uint64_t offset) {
  GgufBytes bytes = header(1, 0);
  bytes.text("t").put(static_cast<std::uint32_t>(sizes.size()));
  for (const std::uint64_t size : sizes) bytes.put(size);
  bytes.put(type).put(offset);
  bytes.align(32);
  return bytes.raw(std::string(64, 'x'));
}

TEST(Gguf, RefusesBadTensors) {
  EXPECT_EQ(refusal(tensor_header({16}, 0, 0).bytes()), "");
  EXPECT_EQ(refusal(tensor_header({8}, 0, 32).bytes()), "");
  EXPECT_THAT(refusal(tensor_header({}, 0, 0).bytes()), HasSubstr("rank"));
  EXPECT_THAT(refusal(tensor_header({1, 1, 1, 1, 1}, 0, 0).bytes()), HasSubstr("rank"));
  EXPECT_THAT(refusal(tensor_header({0}, 0, 0).bytes()), HasSubstr("size 0"));
  EXPECT_THAT(
      refusal(tensor_header({1ULL << 32U, 1ULL << 32U}, 0, 0).bytes()), HasSubstr("size 1"));
  EXPECT_THAT(refusal(tensor_header({1ULL << 62U}, 0, 0).bytes()), HasSubstr("elements"));
  EXPECT_THAT(refusal(tensor_header({17}, 0, 0).bytes()), HasSubstr("place of tensor"));
  EXPECT_THAT(refusal(tensor_header({16}, 0, 32).bytes()), HasSubstr("place of tensor"));
  EXPECT_THAT(refusal(tensor_header({8}, 0, 16).bytes()), HasSubstr("a multiple of 32"));
  EXPECT_THAT(refusal(tensor_header({1}, 0, ~0ULL - 31).bytes()), HasSubstr("place of tensor"));
  EXPECT_THAT(refusal(tensor_header({16}, 2, 0).bytes()), HasSubstr("a multiple of 32 elements"));
  EXPECT_THAT(refusal(tensor_header({256}, 15, 0).bytes()), HasSubstr("Q8_K"));
  EXPECT_THAT(refusal(tensor_header({256}, 999, 0).bytes()), HasSubstr("type 999"));
  GgufWriter twice;
  twice.tensor("t", {1}, 0, floats({1}));
  twice.tensor("t", {1}, 0, floats({1}));
  EXPECT_THAT(refusal(twice.bytes()), HasSubstr("'t' again"));
}

TEST(Gguf, SaysWhenTheFileIsMissing) {
  try {
    const GgufFile file("/nowhere/model.gguf");
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::kIo);
  }
}

}  // namespace
}  // namespace salf::convert
