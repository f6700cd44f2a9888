// Tokenizers that leave for GGUF files: every split rule, and what GGUF cannot say.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>

#include "core/json.h"
#include "data/tokenizer/gguf_rules.h"
#include "data/tokenizer/tokenizer_json.h"
#include "tokenizer_files.h"

namespace salf::data {
namespace {

using core::Json;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

class GgufTokenizers : public TokenizerFiles {
 protected:
  // A golden file whose added tokens are the special ones only.
  static Json plain(const std::string& name) {
    Json json = read_json(golden_tokenizer(name + "/tokenizer.json"));
    Json special = Json::array();
    for (const Json& token : json["added_tokens"]) {
      if (token["special"] == true) special.push_back(token);
    }
    json["added_tokens"] = special;
    return json;
  }

  ProvedGgufTokenizer make(const Json& json, std::int64_t vocabulary = 700) const {
    write("tokenizer.json", json.dump());
    return make_gguf_tokenizer(folder_ / "tokenizer.json", vocabulary);
  }

  std::string refused(const Json& json, std::int64_t vocabulary = 700) const {
    try {
      make(json, vocabulary);
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), ErrorKind::kBadInput) << error.what();
      return error.what();
    }
    return "accepted";
  }

  // Pieces of letters, with merges by score, as transformers makes them of Llama 2's model.
  static Json pieces() {
    GgufTokenizer gguf;
    gguf.kind = GgufTokenizer::Kind::kSentencePiece;
    gguf.tokens = {"<unk>", "<s>", "</s>", "ab", "abc",
        "\xE2\x96\x81"
        "a"};
    gguf.token_types = {2, 3, 3, 1, 1, 1};
    for (int byte = 0; byte < 256; ++byte) {
      char name[8];
      std::snprintf(name, sizeof name, "<0x%02X>", static_cast<unsigned>(byte));
      gguf.tokens.emplace_back(name);
      gguf.token_types.push_back(6);
    }
    for (char letter = 'a'; letter <= 'z'; ++letter) gguf.tokens.emplace_back(1, letter);
    gguf.tokens.emplace_back("\xE2\x96\x81");
    gguf.token_types.resize(gguf.tokens.size(), 1);
    for (std::size_t id = 0; id < gguf.tokens.size(); ++id)
      gguf.scores.push_back(-static_cast<double>(id));
    gguf.unknown = 0;
    return Json::parse(make_tokenizer_json(gguf).tokenizer);
  }
};

TEST_F(GgufTokenizers, NameEachSplitRule) {
  const std::map<std::string, std::string> names = {
      {"gpt2", "gpt-2"}, {"smollm", "smollm"}, {"llama3", "llama-bpe"}, {"qwen2", "qwen2"}};
  for (const auto& [golden, name] : names) {
    const ProvedGgufTokenizer result = make(plain(golden));
    EXPECT_EQ(result.tokenizer.pre, name);
    EXPECT_FALSE(result.tokenizer.merges.empty());
    EXPECT_THAT(result.differences, IsEmpty());
    ASSERT_EQ(result.tokenizer.tokens.size(), 700U);
    EXPECT_EQ(result.tokenizer.tokens[699], "[PAD699]");
    EXPECT_EQ(result.tokenizer.token_types[699], 5);
  }
}

// Rules whose own tokenizers are not among the golden ones: the proof reads them.
TEST_F(GgufTokenizers, KnowTheRulesOfTekkenAndOfModelsWithoutOne) {
  for (const NamedRule& rule : kNamedRules) {
    const std::string name = rule.name;
    if (name != "tekken" && name != "default") continue;
    Json json = plain("llama3");
    json["pre_tokenizer"] = Json::parse(rule.pre_tokenizer);
    json["model"]["ignore_merges"] = rule.ignore_merges;
    EXPECT_EQ(make(json).tokenizer.pre, name);
  }
}

TEST_F(GgufTokenizers, LookPastWhatChangesNoIds) {
  Json json = plain("gpt2");
  json["pre_tokenizer"] = Json::parse(
      R"({"type":"Sequence","pretokenizers":[{"type":"ByteLevel","add_prefix_space":false,"trim_offsets":false}]})");
  json["normalizer"] = Json::parse(R"({"type":"Sequence","normalizers":[]})");
  EXPECT_EQ(make(json).tokenizer.pre, "gpt-2");
}

TEST_F(GgufTokenizers, AreRefusedWhereTheirIdsWouldChange) {
  // Added tokens that are part of words, and one that takes white space away.
  EXPECT_THAT(refused(read_json(golden_tokenizer("gpt2/tokenizer.json"))),
      HasSubstr("it would give other ids for"));
  EXPECT_THAT(
      refused(plain("mixed")), HasSubstr("none of the split rules that are known: gpt-2, smollm"));
  EXPECT_THAT(
      refused(plain("gpt2"), 300), HasSubstr("expected ids below the model's vocabulary of 300"));
  EXPECT_THAT(
      refused(plain("characters/precompiled")), HasSubstr("its model is Unigram, expected BPE"));
  EXPECT_THAT(
      refused(plain("characters/words")), HasSubstr("or over characters with byte_fallback"));
  Json json = plain("gpt2");
  json["added_tokens"][0]["content"] = "<|other|>";
  EXPECT_NE(refused(json), "accepted");
}

TEST_F(GgufTokenizers, OfPiecesHaveScoresByTheRankOfTheirMerges) {
  const ProvedGgufTokenizer result = make(pieces());
  const GgufTokenizer& gguf = result.tokenizer;
  EXPECT_EQ(gguf.kind, GgufTokenizer::Kind::kSentencePiece);
  EXPECT_TRUE(gguf.add_space_prefix);
  EXPECT_EQ(gguf.unknown, 0);
  EXPECT_GT(gguf.scores[3], gguf.scores[4]);
  EXPECT_GT(gguf.scores[4], gguf.scores[5]);
  EXPECT_GT(gguf.scores[5], gguf.scores[6 + 256]);
  EXPECT_EQ(std::vector<std::int64_t>(gguf.token_types.begin(), gguf.token_types.begin() + 7),
      (std::vector<std::int64_t>{2, 3, 3, 1, 1, 1, 6}));
  EXPECT_THAT(result.differences, IsEmpty());
}

TEST_F(GgufTokenizers, TellWhereSpacesArePutInOtherwise) {
  Json json = pieces();
  json["normalizer"] = nullptr;
  json["pre_tokenizer"] = Json::parse(
      R"({"type":"Metaspace","replacement":"\u2581","prepend_scheme":"first","split":false})");
  const ProvedGgufTokenizer result = make(json);
  EXPECT_TRUE(result.tokenizer.add_space_prefix);
  EXPECT_THAT(result.differences, Contains("texts that begin with a space"));
  EXPECT_THAT(result.differences, Contains("texts with control tokens in them"));
}

TEST_F(GgufTokenizers, AreRefusedWhereScoresCannotSayTheirMerges) {
  Json json = pieces();
  Json& merges = json["model"]["merges"];
  // A reader that goes by scores would still make "abc" of "ab" and "c".
  for (std::size_t i = 0; i < merges.size(); ++i) {
    if (merges[i] == Json::array({"ab", "c"})) merges.erase(i);
  }
  EXPECT_THAT(refused(json), HasSubstr("it would give other ids for"));
}

TEST_F(GgufTokenizers, AreRefusedAtEveryTruncation) {
  const std::string whole = plain("gpt2").dump();
  for (std::size_t part = 0; part < 60; ++part) {
    write("tokenizer.json", whole.substr(0, whole.size() * part / 60));
    try {
      make_gguf_tokenizer(folder_ / "tokenizer.json", 700);
      ADD_FAILURE() << part;
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), ErrorKind::kBadInput) << error.what();
    }
  }
}

}  // namespace
}  // namespace salf::data
