#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <zlib.h>

#include <algorithm>
#include <vector>

#include "core/hash.h"
#include "dataset_fixture.h"

namespace salf::data {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

std::string gzip(const std::string& text) {
  z_stream stream{};
  EXPECT_EQ(deflateInit2(&stream, 9, Z_DEFLATED, 15 + 16, 9, Z_DEFAULT_STRATEGY), Z_OK);
  std::string result(deflateBound(&stream, text.size()) + 64, '\0');
  std::string input = text;
  stream.next_in = reinterpret_cast<Bytef*>(input.data());
  stream.avail_in = static_cast<uInt>(input.size());
  stream.next_out = reinterpret_cast<Bytef*>(result.data());
  stream.avail_out = static_cast<uInt>(result.size());
  EXPECT_EQ(deflate(&stream, Z_FINISH), Z_STREAM_END);
  result.resize(stream.total_out);
  deflateEnd(&stream);
  return result;
}

std::string numbered(int count) {
  std::string rows;
  for (int i = 0; i < count; ++i) {
    rows += R"({"prompt": "row )" + std::to_string(i * 7919 % 100003) +
            R"(", "completion": "number )" + std::to_string(i) + "\"}\n";
  }
  return rows;
}

class DataFileTest : public DatasetTest {};

TEST_F(DataFileTest, GzipReadsAsItsContentWhateverTheName) {
  const std::string rows = numbered(5000);
  const Dataset plain = load_text("a.jsonl", rows);
  for (const char* name : {"b.jsonl.gz", "b.jsonl", "b"}) {
    const std::string packed = gzip(rows);
    const Dataset data = load_text(name, packed);
    ASSERT_EQ(data.documents.size(), plain.documents.size()) << name;
    EXPECT_EQ(text_of(data.documents[4999]), text_of(plain.documents[4999]));
    EXPECT_EQ(data.documents[4999].line, 5000);
    EXPECT_EQ(data.hash, core::sha256(packed));
  }
}

TEST_F(DataFileTest, EveryFormatMayBeGzip) {
  EXPECT_EQ(load_text("a.txt.gz", gzip("[one\n\ntwo\n")).documents.size(), 2U);
  EXPECT_EQ(
      load_text("a.json.gz", gzip(R"([{"text": "one"}, {"text": "two"}])")).documents.size(), 2U);
  EXPECT_EQ(load_text("a.md.gz", gzip("one\n\ntwo\n\nthree")).documents.size(), 3U);
}

TEST_F(DataFileTest, MembersFollowEachOtherAndZerosMayEndTheFile) {
  const std::string packed =
      gzip(numbered(10)) + gzip("") + gzip(numbered(20).substr(numbered(10).size()));
  EXPECT_EQ(load_text("a.jsonl", packed).documents.size(), 20U);
  EXPECT_EQ(load_text("a.jsonl", packed + std::string(512, '\0')).documents.size(), 20U);
}

TEST_F(DataFileTest, TruncatedGzipIsAnErrorAtEveryByte) {
  const std::string packed = gzip(numbered(30));
  for (std::size_t size = 2; size < packed.size(); ++size) {
    DataOptions options = whole(write("a.jsonl", packed.substr(0, size)));
    options.skip_bad = true;  // must not be taken for a bad row
    EXPECT_THAT(failure(options, ErrorKind::kIo),
        AllOf(HasSubstr("a.jsonl: at byte " + std::to_string(size)), HasSubstr("cut off")));
  }
}

TEST_F(DataFileTest, DamagedGzipIsAnErrorWithItsPlace) {
  std::string packed = gzip(numbered(300));
  packed[packed.size() / 2] = static_cast<char>(packed[packed.size() / 2] ^ 0x55);
  EXPECT_THAT(failure(whole(write("a.jsonl", packed)), ErrorKind::kIo),
      AllOf(HasSubstr("a.jsonl: at byte "), HasSubstr("damaged")));
  EXPECT_THAT(failure(whole(write("b.jsonl", "\x1F\x8B is no gzip")), ErrorKind::kIo),
      HasSubstr("damaged"));
  EXPECT_THAT(
      failure(whole(write("c.jsonl", gzip(numbered(3)) + "{\"text\": \"x\"}")), ErrorKind::kIo),
      HasSubstr("not gzip follows"));
}

TEST_F(DataFileTest, ABombIsRefused) {
  std::string text = "{\"text\": \"";
  text += std::string(std::size_t{80} << 20U, 'x') + "\"}\n";
  const std::string packed = gzip(text);
  ASSERT_LT(packed.size(), std::size_t{1} << 20U);
  EXPECT_THAT(failure(whole(write("a.jsonl", packed)), ErrorKind::kIo), HasSubstr("200 times"));
}

TEST_F(DataFileTest, AnObjectMayHoldTheRows) {
  const char* const rows = R"([{"text": "one"}, {"text": "two"}])";
  for (const char* key : {"data", "train", "rows", "examples"}) {
    EXPECT_EQ(load_text("a.json", std::string("{\"version\": 1, \"") + key + "\": " + rows + "}")
                  .documents.size(),
        2U)
        << key;
    EXPECT_EQ(
        load_text("a", std::string("\n{\n  \"") + key + "\":\n" + rows + "\n}\n").documents.size(),
        2U)
        << key;
  }
  EXPECT_THAT(
      failure_of("a.json", "{\n\"table\": []}"), AllOf(HasSubstr("a.json"), HasSubstr("\"data\"")));
  EXPECT_THAT(failure_of("a.json", "{\n\"data\": [{\"tex\": 1}]}"), HasSubstr("a.json, row 1"));
}

TEST_F(DataFileTest, ALongFirstLineIsNotReadTwice) {
  const std::string line = "{\"text\": \"" + std::string(200'000, 'y') + "\"}\n";
  const Dataset data = load_text("a", "\n\n" + line + "{\"text\": \"z\"}\n");
  ASSERT_EQ(data.documents.size(), 2U);
  EXPECT_EQ(data.documents[0].line, 3);
  EXPECT_EQ(data.documents[1].line, 4);
}

}  // namespace
}  // namespace salf::data
