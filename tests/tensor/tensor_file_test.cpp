#include "tensor/tensor_file.h"

#include <ATen/ops/arange.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/zeros.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <fstream>
#include <limits>

#include "core/files.h"
#include "core/json.h"
#include "support/expect_error.h"
#include "support/temporary_folder.h"

namespace salf::tensor {
namespace {

using testing::expect_error;

constexpr c10::ScalarType kAllTypes[] = {c10::kDouble, c10::kFloat, c10::kHalf, c10::kBFloat16,
    c10::kLong, c10::kInt, c10::kShort, c10::kChar, c10::kByte, c10::kBool};

// Bytes of a file with this header and `data_bytes` zeros after it.
std::string file_bytes(const std::string& header, std::size_t data_bytes) {
  std::string bytes;
  for (unsigned i = 0; i < 8; ++i) bytes += static_cast<char>(header.size() >> (8U * i));
  return bytes + header + std::string(data_bytes, '\0');
}

class TensorFileTest : public ::testing::Test {
 protected:
  TensorFile read(const std::string& bytes) const {
    std::ofstream(path_, std::ios::binary) << bytes;  // not synced: this is done thousands of times
    return read_tensor_file(path_);
  }
  void expect_bad(
      const std::string& header, std::size_t data_bytes, const std::string& message) const {
    expect_error(ErrorKind::kBadInput, message, [&] { read(file_bytes(header, data_bytes)); });
  }
  std::string written(const TensorFile& file) const {
    write_tensor_file(path_, file);
    return core::read_file(path_);
  }

  testing::TemporaryFolder folder_;
  std::filesystem::path path_ = folder_ / "t.safetensors";
};

void expect_same(const TensorFile& a, const TensorFile& b) {
  EXPECT_EQ(a.metadata, b.metadata);
  ASSERT_EQ(a.tensors.size(), b.tensors.size());
  for (std::size_t i = 0; i < a.tensors.size(); ++i) {
    EXPECT_EQ(a.tensors[i].name, b.tensors[i].name);
    EXPECT_EQ(a.tensors[i].tensor.scalar_type(), b.tensors[i].tensor.scalar_type());
    EXPECT_TRUE(a.tensors[i].tensor.equal(b.tensors[i].tensor)) << a.tensors[i].name;
  }
}

TensorFile one_of_each_type() {
  TensorFile file;
  file.metadata = {{"format", "pt"}, {"日本", "ü\n"}};
  for (const c10::ScalarType type : kAllTypes) {
    // Sizes of 3 elements: each tensor would begin at an odd place if they were stored as they
    // come.
    file.tensors.push_back({std::string("t.") + c10::toString(type), at::arange(-1, 2).to(type)});
  }
  return file;
}

TEST_F(TensorFileTest, EveryTypeComesBackTheSame) {
  TensorFile file = one_of_each_type();
  std::reverse(file.tensors.begin(), file.tensors.end());
  expect_same(read(written(file)), file);
}

TEST_F(TensorFileTest, EveryShapeComesBackTheSame) {
  TensorFile file;
  file.tensors.push_back({"scalar", at::ones({})});
  file.tensors.push_back({"none", at::zeros({3, 0, 2})});
  file.tensors.push_back({"strided", at::arange(12).view({3, 4}).t()});
  file.tensors.push_back({"", at::ones({1, 1, 2})});
  const TensorFile back = read(written(file));
  expect_same(back, file);
  EXPECT_EQ(back.tensors[1].tensor.sizes().vec(), (std::vector<std::int64_t>{3, 0, 2}));
  EXPECT_TRUE(back.tensors[2].tensor.is_contiguous());
}

TEST_F(TensorFileTest, BitsOfNotANumberSurvive) {
  TensorFile file;
  const std::int32_t bits = 0x7FC12345;
  file.tensors.push_back({"nan", at::tensor({bits}).view(c10::kFloat)});
  EXPECT_EQ(read(written(file)).tensors[0].tensor.view(c10::kInt).item<std::int32_t>(), bits);
}

TEST_F(TensorFileTest, EmptyFileOfTensors) {
  EXPECT_TRUE(read(written({})).tensors.empty());
  EXPECT_TRUE(read(file_bytes("{}", 0)).tensors.empty());
}

TEST_F(TensorFileTest, EachTensorBeginsAtAMultipleOfItsElementsSize) {
  const TensorFile file = one_of_each_type();
  const std::string bytes = written(file);
  const std::size_t data_bytes = 3 * (8 + 4 + 2 + 2 + 8 + 4 + 2 + 1 + 1 + 1);
  const std::size_t data_begin = bytes.size() - data_bytes;
  const core::Json header = core::parse_json(bytes.substr(8, data_begin - 8), "header");
  for (const NamedTensor& named : file.tensors) {
    const auto begin = data_begin + header[named.name]["data_offsets"][0].get<std::size_t>();
    EXPECT_EQ(begin % static_cast<std::size_t>(named.tensor.element_size()), 0U) << named.name;
  }
}

TEST_F(TensorFileTest, TruncationAtEveryByteIsFound) {
  const std::string bytes =
      written({{{"a", at::ones({3})}, {"b", at::ones({2, 2}, c10::kByte)}}, {{"format", "pt"}}});
  for (std::size_t size = 0; size < bytes.size(); ++size) {
    expect_error(ErrorKind::kBadInput, "t.safetensors", [&] { read(bytes.substr(0, size)); });
  }
  expect_error(ErrorKind::kBadInput, "the file has", [&] { read(bytes + "x"); });
}

TEST_F(TensorFileTest, AnyChangedByteIsReadOrRefused) {
  const std::string bytes = written(one_of_each_type());
  for (std::size_t place = 0; place < bytes.size(); ++place) {
    std::string changed = bytes;
    changed[place] = static_cast<char>(changed[place] ^ (place % 2 == 0 ? '\x01' : '\x20'));
    try {
      read(changed);
    } catch (const Error& error) {
      ASSERT_EQ(error.kind(), ErrorKind::kBadInput) << error.what();
    }
  }
}

TEST_F(TensorFileTest, HeaderLengthIsCheckedBeforeItIsBelieved) {
  for (const std::uint64_t length : {std::uint64_t{1}, std::uint64_t{100'000'001},
           std::uint64_t{1} << 63U, std::numeric_limits<std::uint64_t>::max(),
           std::numeric_limits<std::uint64_t>::max() - 7}) {
    std::string bytes;
    for (unsigned i = 0; i < 8; ++i) bytes += static_cast<char>(length >> (8U * i));
    expect_error(
        ErrorKind::kBadInput, "expected a header of at most 0 bytes", [&] { read(bytes); });
  }
  expect_bad("", 4, "begins with {");
  expect_bad(" {}", 0, "begins with {");
}

TEST_F(TensorFileTest, HeaderOfMoreThan100MegabytesIsRefused) {
  expect_error(ErrorKind::kBadInput, "at most 100000000 bytes",
      [&] { read(file_bytes("{}" + std::string(100'000'000, ' '), 0)); });
}

TEST_F(TensorFileTest, MalformedHeadersAreRefused) {
  expect_bad("{", 0, "not valid JSON");
  expect_bad("[]", 0, "begins with {");
  expect_bad(R"({"a": 1})", 0, "a: expected an object");
  expect_bad(R"({"a": {"dtype": "F32", "shape": [1]}})", 4, "there is no \"data_offsets\"");
  expect_bad(R"({"a": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4], "x": 1}})", 4,
      "unknown key \"x\"");
  expect_bad(R"({"a": {"dtype": "F33", "shape": [1], "data_offsets": [0, 4]}})", 4,
      "a.dtype: expected one of F8_E4M3 F8_E5M2 F64 F32");
  expect_bad(R"({"a": {"dtype": 1, "shape": [1], "data_offsets": [0, 4]}})", 4, "a.dtype");
  expect_bad(R"({"a": {"dtype": "F32", "shape": 1, "data_offsets": [0, 4]}})", 4,
      "a.shape: expected an array");
  expect_bad(R"({"a": {"dtype": "F32", "shape": [1.0], "data_offsets": [0, 4]}})", 4, "a.shape[0]");
  expect_bad(R"({"a": {"dtype": "F32", "shape": [-1], "data_offsets": [0, 4]}})", 4, "negative");
  expect_bad(
      R"({"a": {"dtype": "F32", "shape": [1], "data_offsets": [0]}})", 4, "two data_offsets");
  expect_bad(
      R"({"a": {"dtype": "F32", "shape": [1], "data_offsets": [0, -4]}})", 4, "a.data_offsets[1]");
  expect_bad(R"({"__metadata__": {"a": 1}})", 0, "__metadata__.a: expected a string");
  expect_bad(R"({"__metadata__": []})", 0, "expected an object of strings");
}

TEST_F(TensorFileTest, DuplicateNamesAreRefused) {
  expect_bad(R"({"a": {"dtype": "U8", "shape": [1], "data_offsets": [0, 1]},
                 "a": {"dtype": "U8", "shape": [1], "data_offsets": [1, 2]}})",
      2, "occurs twice");
}

TEST_F(TensorFileTest, OffsetsMustLieWithinTheFile) {
  expect_bad(
      R"({"a": {"dtype": "U8", "shape": [5], "data_offsets": [0, 5]}})", 4, "do not lie within");
  expect_bad(
      R"({"a": {"dtype": "U8", "shape": [1], "data_offsets": [3, 2]}})", 4, "do not lie within");
  expect_bad(R"({"a": {"dtype": "U8", "shape": [1], "data_offsets": [18446744073709551615, 0]}})",
      4, "do not lie within");
}

TEST_F(TensorFileTest, SizesMustAgree) {
  expect_bad(R"({"a": {"dtype": "F32", "shape": [1], "data_offsets": [0, 8]}})", 8, "need 4 bytes");
  expect_bad(R"({"a": {"dtype": "F32", "shape": [], "data_offsets": [0, 0]}})", 0, "need 4 bytes");
}

TEST_F(TensorFileTest, ShapesThatOverflowAreRefused) {
  // 2^32 · 2^32 = 0 in 64 bits, which would agree with the offsets.
  expect_bad(R"({"a": {"dtype": "U8", "shape": [4294967296, 4294967296], "data_offsets": [0, 0]}})",
      0, "too many elements");
  expect_bad(R"({"a": {"dtype": "F64", "shape": [2305843009213693952], "data_offsets": [0, 0]}})",
      0, "too many elements");
  // Without elements, but its strides would overflow.
  expect_bad(
      R"({"a": {"dtype": "U8", "shape": [0, 4611686018427387904, 4], "data_offsets": [0, 0]}})", 0,
      "too many elements");
  std::string ones = "1";
  for (int i = 1; i < 65; ++i) ones += ",1";
  expect_bad(R"({"a": {"dtype": "U8", "shape": [)" + ones + R"(], "data_offsets": [0, 1]}})", 1,
      "too many dimensions");
}

TEST_F(TensorFileTest, HolesAndOverlapsAreRefused) {
  const std::string a = R"("a": {"dtype": "U8", "shape": [2], "data_offsets": [0, 2]})";
  expect_bad("{" + a + R"(, "b": {"dtype": "U8", "shape": [1], "data_offsets": [3, 4]}})", 4,
      "b: expected its data at 2");
  expect_bad("{" + a + R"(, "b": {"dtype": "U8", "shape": [2], "data_offsets": [1, 3]}})", 3,
      "b: expected its data at 2");
  expect_bad("{" + a + R"(, "b": {"dtype": "U8", "shape": [2], "data_offsets": [0, 2]}})", 2,
      "expected its data at 2");
  expect_bad("{" + a + "}", 3, "the tensors need 2 bytes of data, the file has 3");
}

TEST_F(TensorFileTest, OrderInTheFileIsFree) {
  const TensorFile file = read(file_bytes(
      R"({"b": {"dtype": "U8", "shape": [1], "data_offsets": [2, 3]}, "a": {"dtype": "U8", "shape": [2], "data_offsets": [0, 2]}})",
      3));
  ASSERT_EQ(file.tensors.size(), 2U);
  EXPECT_EQ(file.tensors[0].name, "b");
}

TEST_F(TensorFileTest, BoolsAreZeroOrOne) {
  std::string bytes =
      file_bytes(R"({"a": {"dtype": "BOOL", "shape": [2], "data_offsets": [0, 2]}})", 2);
  bytes.back() = '\x01';
  EXPECT_TRUE(read(bytes).tensors[0].tensor[1].item<bool>());
  bytes.back() = '\x02';
  expect_error(ErrorKind::kBadInput, "neither 0 nor 1", [&] { read(bytes); });
}

TEST_F(TensorFileTest, NamesInMessagesAreMadePrintable) {
  expect_bad("{\"\\u001b[2J\": 1}", 0, "\\x1B[2J");
}

TEST_F(TensorFileTest, WhatCannotBeWrittenIsRefusedAndTheOldFileStays) {
  const std::string before = written(one_of_each_type());
  const auto expect_refused = [&](const TensorFile& file, const std::string& message) {
    expect_error(ErrorKind::kInternal, message, [&] { write_tensor_file(path_, file); });
    EXPECT_EQ(core::read_file(path_), before);
  };
  expect_refused({{{"a", at::ones({1})}, {"a", at::ones({1})}}, {}}, "occurs twice");
  expect_refused({{{"__metadata__", at::ones({1})}}, {}}, "occurs twice");
  expect_refused({{{"a", at::Tensor()}}, {}}, "undefined");
  expect_refused({{{"a", at::zeros({1}, c10::kComplexFloat)}}, {}}, "cannot be written");
  expect_refused({{{"\xFF", at::ones({1})}}, {}}, "not UTF-8");
  expect_refused({{}, {{"a", "\xFF"}}}, "not UTF-8");
}

// Pages that were given back return from the file, also where a tensor begins or ends within one.
TEST_F(TensorFileTest, MappedTensorsStayReadableAfterRelease) {
  const at::Tensor odd = at::ones({5}, c10::kByte);
  const at::Tensor large = at::arange(9000, c10::kFloat).view({90, 100});
  written({{{"odd", odd}, {"large", large}}, {{"format", "pt"}}});
  const MappedTensorFile file(path_);
  ASSERT_EQ(file.entries().size(), 2U);
  EXPECT_EQ(file.metadata().at("format"), "pt");
  for (int round = 0; round < 2; ++round) {
    for (const TensorEntry& entry : file.entries()) {
      const at::Tensor& tensor = entry.name == "odd" ? odd : large;
      EXPECT_EQ(entry.type, tensor.scalar_type());
      EXPECT_EQ(entry.shape, tensor.sizes().vec());
      ASSERT_EQ(entry.bytes(), tensor.nbytes());
      EXPECT_EQ(std::memcmp(file.data(entry), tensor.const_data_ptr(), entry.bytes()), 0)
          << entry.name;
      file.release(entry);
    }
  }
  expect_error(ErrorKind::kIo, "No such file", [&] { MappedTensorFile(folder_ / "missing"); });
}

TEST_F(TensorFileTest, MissingFilesAreIoErrors) {
  expect_error(ErrorKind::kIo, "No such file", [&] { read_tensor_file(folder_ / "missing"); });
  expect_error(ErrorKind::kIo, "cannot write",
      [&] { write_tensor_file(folder_ / "no/such", one_of_each_type()); });
}

TEST_F(TensorFileTest, AsksForOneTensorAfterTheOther) {
  const TensorFile expected{
      {{"small", at::ones({3}, c10::kHalf)}, {"wide", at::arange(4, c10::kDouble)}},
      {{"format", "pt"}}};
  const std::vector<TensorPlan> plans = {{"small", c10::kHalf, {3}}, {"wide", c10::kDouble, {4}}};
  std::vector<std::string> asked;
  write_tensor_file(path_, plans, expected.metadata, [&](const TensorPlan& plan) {
    asked.push_back(plan.name);
    return plan.name == "wide" ? expected.tensors[1].tensor : expected.tensors[0].tensor;
  });
  EXPECT_EQ(asked, (std::vector<std::string>{"wide", "small"}));
  const std::string bytes = core::read_file(path_);
  EXPECT_EQ(bytes, written(expected));
}

TEST_F(TensorFileTest, RefusesTensorsThatWerePlannedOtherwise) {
  for (const TensorPlan& plan :
      {TensorPlan{"a", c10::kFloat, {3}}, TensorPlan{"a", c10::kDouble, {2}}}) {
    expect_error(ErrorKind::kInternal, "planned otherwise", [&] {
      write_tensor_file(
          path_, {plan}, {}, [](const TensorPlan&) { return at::ones({2}, c10::kFloat); });
    });
    EXPECT_FALSE(std::filesystem::exists(path_));
  }
}

}  // namespace
}  // namespace salf::tensor
