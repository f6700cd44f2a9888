#include "generate/text_stream.h"

#include <gtest/gtest.h>

#include "core/text.h"
#include "support/byte_tokenizer.h"

namespace salf::generate {
namespace {

// A token is a byte; as in Hugging Face, bytes that are no UTF-8 become U+FFFD.
class ReplacingTokenizer : public testing::ByteTokenizer {
 public:
  std::string decode(const std::vector<std::int64_t>& ids) const override {
    std::string bytes = testing::ByteTokenizer::decode(ids), text;
    while (const auto bad = core::invalid_utf8(bytes)) {
      text += bytes.substr(0, *bad) + "\xEF\xBF\xBD";
      bytes.erase(0, *bad + 1);
      while (!bytes.empty() && (static_cast<unsigned char>(bytes[0]) & 0xC0U) == 0x80U)
        bytes.erase(0, 1);
    }
    return text + bytes;
  }
};

TEST(TextStream, HoldsTheBeginOfACharacterBack) {
  const ReplacingTokenizer tokenizer;
  TextStream stream(tokenizer, tokenizer.encode("x"));
  EXPECT_EQ(stream.add('a'), "a");
  EXPECT_EQ(stream.add(0xE2), "");
  EXPECT_EQ(stream.add(0x82), "");
  EXPECT_EQ(stream.add(0xAC), "\xE2\x82\xAC");
  EXPECT_EQ(stream.add('b'), "b");
  EXPECT_EQ(stream.finish(), "");
}

TEST(TextStream, GivesAnUnfinishedCharacterAtTheEnd) {
  const ReplacingTokenizer tokenizer;
  TextStream stream(tokenizer, {});
  EXPECT_EQ(stream.add(0xF0), "");
  EXPECT_EQ(stream.add(0x9F), "");
  EXPECT_EQ(stream.finish(), "\xEF\xBF\xBD");
  EXPECT_EQ(stream.finish(), "");
}

TEST(TextStream, DoesNotHoldEverythingBackForBytesThatAreNoText) {
  const ReplacingTokenizer tokenizer;
  TextStream stream(tokenizer, {});
  std::string text;
  for (int i = 0; i < 40; ++i) text += stream.add(0xFF);
  EXPECT_FALSE(text.empty());
}

// Like SentencePiece's: the space in front of a text's first word is not shown.
class WordTokenizer : public testing::ByteTokenizer {
 public:
  std::string decode(const std::vector<std::int64_t>& ids) const override {
    std::string text;
    for (const std::int64_t id : ids) text += " w" + std::to_string(id);
    return text.empty() ? text : text.substr(1);
  }
};

TEST(TextStream, KeepsTheSpaceBehindThePrompt) {
  const WordTokenizer tokenizer;
  TextStream behind(tokenizer, {1, 2});
  EXPECT_EQ(behind.add(3), " w3");
  EXPECT_EQ(behind.add(4), " w4");
  TextStream alone(tokenizer, {});
  EXPECT_EQ(alone.add(3), "w3");
  EXPECT_EQ(alone.add(4), " w4");
}

}  // namespace
}  // namespace salf::generate
