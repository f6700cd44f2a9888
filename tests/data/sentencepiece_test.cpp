// SentencePiece models: which rules they are read by, and what is refused.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>
#include <limits>

#include "core/files.h"
#include "data/tokenizer/tokenizer_json.h"
#include "tokenizer_files.h"

namespace salf::data {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

// Writes protocol buffers.
class Message {
 public:
  Message& number(unsigned field, std::uint64_t value) { return tag(field, 0).varint(value); }
  Message& bytes(unsigned field, const std::string& value) {
    tag(field, 2).varint(value.size());
    text_ += value;
    return *this;
  }
  Message& real(unsigned field, float value) {
    tag(field, 5);
    char raw[sizeof value];
    std::memcpy(raw, &value, sizeof value);
    text_.append(raw, sizeof value);
    return *this;
  }
  const std::string& text() const { return text_; }

 private:
  Message& tag(unsigned field, unsigned wire) { return varint(field << 3U | wire); }
  Message& varint(std::uint64_t value) {
    for (; value >= 0x80; value >>= 7U) text_ += static_cast<char>(value | 0x80U);
    text_ += static_cast<char>(value);
    return *this;
  }
  std::string text_;
};

std::string piece(const std::string& text, float score, unsigned type) {
  return Message().bytes(1, text).real(2, score).number(3, type).text();
}

// BPE: <unk> 0, <s> 1, </s> 2, U+2581 3, a 4, b 5, ab 6, U+2581a 7, ba 8
class SentencePieceFiles : public TokenizerFiles {
 protected:
  SentencePieceFiles() {
    pieces_ = {piece("<unk>", 0, 2), piece("<s>", 0, 3), piece("</s>", 0, 3),
        piece("\xE2\x96\x81", -3, 1), piece("a", -4, 1), piece("b", -5, 1), piece("ab", -1, 1),
        piece("\xE2\x96\x81"
              "a",
            -2, 1),
        piece("ba", -1, 1)};
    trainer_.number(3, 2);
    normalizer_.number(4, 0);  // remove_extra_whitespaces
  }
  std::string model() const {
    Message file;
    for (const std::string& entry : pieces_) file.bytes(1, entry);
    return file.bytes(2, trainer_.text()).bytes(3, normalizer_.text()).text();
  }
  std::unique_ptr<Tokenizer> read() const {
    write("any.name", model());
    return load_tokenizer(folder_ / "any.name");
  }
  std::string refused(const std::string& bytes) const {
    write("any.name", bytes);
    try {
      load_tokenizer(folder_ / "any.name");
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), ErrorKind::kBadInput) << error.what();
      return error.what();
    }
    return "accepted";
  }
  void config(const std::string& text) const { write("tokenizer_config.json", text); }

  std::vector<std::string> pieces_;
  Message trainer_, normalizer_;
};

TEST_F(SentencePieceFiles, BareModelsAreReadAsThePackageDoes) {
  EXPECT_THAT(read()->encode("ab"), ElementsAre(3, 6));      // the score of ab is better
  EXPECT_THAT(read()->encode(" ab"), ElementsAre(3, 3, 6));  // the prefix is put in all the same
  EXPECT_THAT(read()->encode("aba"), ElementsAre(3, 6, 4));  // equally good: the leftmost
  EXPECT_THAT(read()->encode("xyb"), ElementsAre(3, 0, 5));
  EXPECT_THAT(read()->encode("a<s>a"), ElementsAre(7, 1, 7));  // as transformers, not the package
  EXPECT_EQ(read()->decode({1, 7, 3, 6}), "<s> a ab");
  EXPECT_EQ(decode_without_special(*read(), {1, 7, 3, 6}), "a ab");
}

TEST_F(SentencePieceFiles, LeaveForGgufWithTheirScores) {
  trainer_.number(35, 1);  // byte_fallback
  for (int byte = 0; byte < 256; ++byte) {
    char name[8];
    std::snprintf(name, sizeof name, "<0x%02X>", static_cast<unsigned>(byte));
    pieces_.push_back(piece(name, 0, 6));
  }
  write("tokenizer.model", model());
  const ProvedGgufTokenizer result = make_gguf_tokenizer(folder_ / "tokenizer.model", 300);
  const GgufTokenizer& gguf = result.tokenizer;
  EXPECT_EQ(gguf.kind, GgufTokenizer::Kind::kSentencePiece);
  EXPECT_EQ(gguf.tokens[7],
      "\xE2\x96\x81"
      "a");
  EXPECT_EQ(gguf.scores[7], -2.0);
  EXPECT_EQ(gguf.token_types[1], 3);
  EXPECT_EQ(gguf.token_types[9], 6);
  EXPECT_EQ(gguf.token_types[299], 5);
  EXPECT_EQ(gguf.unknown, 0);
  EXPECT_TRUE(gguf.add_space_prefix);
}

TEST_F(SentencePieceFiles, ClassesDecideWhatIsPutInFront) {
  config(R"({"tokenizer_class":"LlamaTokenizer"})");
  EXPECT_THAT(read()->encode("a"), ElementsAre(7));
  EXPECT_THAT(read()->encode(" a"), ElementsAre(7));
  EXPECT_THAT(read()->encode("a<s>a"), ElementsAre(7, 1, 4));
  config(R"({"tokenizer_class":"LlamaTokenizerFast","legacy":true})");
  EXPECT_THAT(read()->encode("a<s>a"), ElementsAre(7, 1, 7));
  config(R"({"tokenizer_class":"LlamaTokenizer","add_prefix_space":false})");
  EXPECT_THAT(read()->encode("a"), ElementsAre(4));
  config(R"({"tokenizer_class":"GemmaTokenizer"})");
  EXPECT_THAT(read()->encode("a a"), ElementsAre(4, 7));
  config(R"({"tokenizer_class":"T5Tokenizer"})");
  EXPECT_THAT(refused(model()), HasSubstr("tokenizer_class: \"T5Tokenizer\" is not supported"));
}

TEST_F(SentencePieceFiles, SpecialIdsAreLlama2sUnlessTheConfigSaysOtherwise) {
  EXPECT_EQ(read()->bos_id(), 1);
  EXPECT_EQ(read()->eos_id(), 2);
  EXPECT_FALSE(read()->padding_id().has_value());
  EXPECT_TRUE(read()->add_bos());
  EXPECT_TRUE(read()->is_special(1));
  EXPECT_FALSE(read()->is_special(4));
  EXPECT_FALSE(read()->is_special(-1));
  config(
      R"({"bos_token":null,"eos_token":{"content":"<s>"},"pad_token":"<unk>","add_bos_token":false})");
  EXPECT_FALSE(read()->bos_id().has_value());
  EXPECT_EQ(read()->eos_id(), 1);
  EXPECT_EQ(read()->padding_id(), 0);
  EXPECT_FALSE(read()->add_bos());
  config(R"({"pad_token":"[PAD]"})");
  EXPECT_FALSE(read()->padding_id().has_value());
}

TEST_F(SentencePieceFiles, AddedTokensOfTheConfigFollowThePieces) {
  config(R"({"added_tokens_decoder":{"10":{"content":"ba","normalized":false},
            "9":{"content":"[","special":true,"rstrip":true}}})");
  EXPECT_THAT(read()->encode("[  ba"), ElementsAre(9, 8));  // ba keeps its own id
  EXPECT_EQ(read()->vocabulary_size(), 10);
  config(R"({"added_tokens_decoder":{"11":{"content":"["}}})");
  EXPECT_THAT(refused(model()), HasSubstr("it has the id 9, expected 11"));
  config(R"({"added_tokens_decoder":{"x":{"content":"["}}})");
  EXPECT_THAT(refused(model()), HasSubstr("expected a token id"));
}

TEST_F(SentencePieceFiles, UnknownCharactersBecomeBytes) {
  for (unsigned byte = 0; byte < 256; ++byte) {
    char name[8];
    std::snprintf(name, sizeof name, "<0x%02X>", byte);
    pieces_.push_back(piece(name, 0, 6));
  }
  trainer_.number(35, 1);
  EXPECT_THAT(read()->encode("a\xC3\xA9"), ElementsAre(7, 9 + 0xC3, 9 + 0xA9));
  EXPECT_EQ(
      read()->decode({7, 9 + 0xC3, 9 + 0xA9, 9 + 0xC3}), "a\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD");
  pieces_.pop_back();
  EXPECT_THAT(refused(model()), HasSubstr("there is no piece <0xFF>"));
}

TEST_F(SentencePieceFiles, WhiteSpaceIsTidiedWhereTheModelSaysSo) {
  normalizer_ = Message().number(4, 1);
  EXPECT_THAT(read()->encode("  a   b "), ElementsAre(7, 3, 5));
  normalizer_ = Message().number(3, 0).number(4, 0);
  EXPECT_THAT(read()->encode("a"), ElementsAre(4));
}

TEST_F(SentencePieceFiles, UserDefinedPiecesAreNeverCut) {
  pieces_.push_back(piece("bab", 0, 4));
  EXPECT_THAT(read()->encode("ababa"), ElementsAre(7, 9, 4));
}

TEST_F(SentencePieceFiles, NamesWhatIsWrong) {
  const auto with = [&](const std::string& entry) {
    Message file;
    file.bytes(1, piece("<unk>", 0, 2)).bytes(1, entry);
    return refused(file.text());
  };
  EXPECT_EQ(with(piece("a", -1, 1)), "accepted");
  EXPECT_THAT(with(piece("", -1, 1)), HasSubstr("pieces[1]: a piece is empty"));
  EXPECT_THAT(with(piece("<unk>", -1, 1)), HasSubstr("is there already as pieces[0]"));
  EXPECT_THAT(with(piece("a", -1, 2)), HasSubstr("two pieces are of the type UNKNOWN"));
  EXPECT_THAT(with(piece("a", -1, 9)), HasSubstr("type 9, expected 1 to 6"));
  EXPECT_THAT(with(piece("\xFF", -1, 1)), HasSubstr("not valid UTF-8"));
  EXPECT_THAT(
      with(piece("a", std::numeric_limits<float>::quiet_NaN(), 1)), HasSubstr("not finite"));
  EXPECT_THAT(with(Message().number(1, 5).text()), HasSubstr("expected bytes"));
  EXPECT_THAT(
      refused(Message().bytes(1, piece("a", 0, 1)).text()), HasSubstr("UNKNOWN, expected one"));
  EXPECT_THAT(refused(Message().bytes(2, "").text()), HasSubstr("the vocabulary is empty"));
  EXPECT_THAT(refused(std::string("\x0A\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\x7F", 10)),
      HasSubstr("bytes, but only 0 are left (at byte 0)"));
  EXPECT_THAT(refused("\x0A" + std::string(11, '\xFF')), HasSubstr("more than 10 bytes"));
  trainer_ = Message().number(3, 3);
  EXPECT_THAT(refused(model()), HasSubstr("model_type 3 is not supported"));
  trainer_ = Message().number(3, 2);
  normalizer_.bytes(2, std::string("\x08\x00\x00\x00xx", 6));
  EXPECT_THAT(refused(model()), HasSubstr("precompiled_charsmap: damaged"));
  normalizer_ = Message();
  pieces_.push_back(piece(std::string(600, 'a'), 0, 1));
  EXPECT_THAT(refused(model()), HasSubstr("expected at most 512"));
  pieces_.back() = piece("aab", 0, 5);
  EXPECT_THAT(refused(model()), HasSubstr("UNUSED"));
}

TEST_F(SentencePieceFiles, NamesTiktokenFiles) {
  EXPECT_THAT(refused("IQ== 0\nIg== 1\n"), HasSubstr("a tiktoken file"));
}

}  // namespace
}  // namespace salf::data
