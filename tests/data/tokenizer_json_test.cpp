#include "data/tokenizer/tokenizer_json.h"

#include <cstdio>
#include <functional>
#include <limits>
#include <utility>

#include "core/json.h"
#include "tokenizer_files.h"

namespace salf::data {
namespace {

using core::Json;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using GgufTokenizerJson = TokenizerFiles;

// The golden tokenizer of a rule, as a GGUF file holds it.
GgufTokenizer as_gguf(const std::string& rule, const std::string& pre) {
  const Json file = read_json(golden_tokenizer(rule + "/tokenizer.json"));
  GgufTokenizer gguf;
  const std::size_t count = file["model"]["vocab"].size();
  gguf.tokens.resize(count);
  gguf.token_types.assign(count, 1);
  for (const auto& [token, id] : file["model"]["vocab"].items())
    gguf.tokens[id.get<std::size_t>()] = token;
  for (const Json& merge : file["model"]["merges"]) {
    gguf.merges.push_back(merge[0].get<std::string>() + " " + merge[1].get<std::string>());
  }
  gguf.token_types[0] = gguf.token_types[1] = 3;
  gguf.pre = pre;
  gguf.bos = 0;
  gguf.eos = 1;
  return gguf;
}

TEST_F(GgufTokenizerJson, GivesTheIdsOfTheTokenizerItCameFrom) {
  const Json expected = read_json(golden_tokenizer("ids.json"));
  for (const auto& [rule, pre] : {std::pair("gpt2", "gpt-2"), std::pair("smollm", "smollm"),
           std::pair("llama3", "llama-bpe"), std::pair("qwen2", "qwen2")}) {
    const TokenizerJson made = make_tokenizer_json(as_gguf(rule, pre));
    write("tokenizer_config.json", made.config);
    const auto tokenizer = load(made.tokenizer);
    EXPECT_EQ(tokenizer->eos_id(), 1);
    EXPECT_FALSE(tokenizer->add_bos());
    std::size_t compared = 0;
    for (std::size_t i = 0; i < expected["lines"].size(); ++i) {
      const auto line = expected["lines"][i].get<std::string>();
      if (line.find_first_of("[<") != std::string::npos) continue;  // its added tokens are others
      EXPECT_EQ(tokenizer->encode(line), expected["ids"][rule][i].get<std::vector<std::int64_t>>())
          << rule << " " << line;
      ++compared;
    }
    EXPECT_GT(compared, 15U);
    EXPECT_THAT(tokenizer->encode("<|im_start|>"), ElementsAre(0));
  }
}

TEST_F(GgufTokenizerJson, BeginsWithBosWhereTheFileSaysSo) {
  GgufTokenizer gguf = as_gguf("llama3", "llama-bpe");
  gguf.add_bos = true;
  const TokenizerJson made = make_tokenizer_json(gguf);
  const auto tokenizer = load(made.tokenizer);  // the template alone
  EXPECT_EQ(tokenizer->bos_id(), 0);
  EXPECT_TRUE(tokenizer->add_bos());
  gguf.bos.reset();
  EXPECT_THROW(make_tokenizer_json(gguf), Error);
}

// <unk> 0, <s> 1, </s> 2, bytes from 3 on, U+2581 259, a 260, b 261, ab 262, U+2581a 263, "[x]" 264
GgufTokenizer sentencepiece() {
  GgufTokenizer gguf;
  gguf.kind = GgufTokenizer::Kind::kSentencePiece;
  const auto add = [&](const std::string& token, double score, std::int64_t type) {
    gguf.tokens.push_back(token);
    gguf.scores.push_back(score);
    gguf.token_types.push_back(type);
  };
  add("<unk>", 0, 2);
  add("<s>", 0, 3);
  add("</s>", 0, 3);
  for (int byte = 0; byte < 256; ++byte) {
    char name[8];
    std::snprintf(name, sizeof name, "<0x%02X>", static_cast<unsigned>(byte));
    add(name, 0, 6);
  }
  add("\xE2\x96\x81", -3, 1);
  add("a", -4, 1);
  add("b", -5, 1);
  add("ab", -1, 1);
  add("\xE2\x96\x81"
      "a",
      -2, 1);
  add("[x]", 0, 4);
  gguf.bos = 1;
  gguf.eos = 2;
  gguf.unknown = 0;
  gguf.add_bos = true;
  return gguf;
}

TEST_F(GgufTokenizerJson, SentencePieceIsMergedByItsScores) {
  GgufTokenizer gguf = sentencepiece();
  TokenizerJson made = make_tokenizer_json(gguf);
  write("tokenizer_config.json", made.config);
  auto tokenizer = load(made.tokenizer);
  EXPECT_THAT(tokenizer->encode("ab"), ElementsAre(259, 262));
  EXPECT_THAT(tokenizer->encode(" a"), ElementsAre(259, 263));
  EXPECT_THAT(tokenizer->encode("a\xC3\xA9[x]</s>"), ElementsAre(263, 3 + 0xC3, 3 + 0xA9, 264, 2));
  EXPECT_EQ(tokenizer->decode({259, 262, 259, 3 + 0xC3, 3 + 0xA9}), "ab \xC3\xA9");
  EXPECT_EQ(tokenizer->bos_id(), 1);
  EXPECT_TRUE(tokenizer->add_bos());
  gguf.add_space_prefix = false;
  gguf.add_bos = false;
  gguf.tokens.back() = "\xE2\x96\x81\xE2\x96\x81";  // spaces, as Gemma has them
  made = make_tokenizer_json(gguf);
  write("tokenizer_config.json", made.config);
  tokenizer = load(made.tokenizer);
  EXPECT_THAT(tokenizer->encode("a   a"), ElementsAre(260, 264, 263));
  EXPECT_EQ(tokenizer->decode({260, 264, 263}), "a   a");
  EXPECT_FALSE(tokenizer->add_bos());
}

TEST(GgufTokenizer, RefusesScoresThatDoNotFit) {
  GgufTokenizer gguf = sentencepiece();
  gguf.scores.pop_back();
  EXPECT_THROW(make_tokenizer_json(gguf), Error);
  gguf.scores.push_back(std::numeric_limits<double>::quiet_NaN());
  EXPECT_THROW(make_tokenizer_json(gguf), Error);
  gguf.scores.back() = 0;
  gguf.tokens.back() = "";
  EXPECT_THROW(make_tokenizer_json(gguf), Error);
}

TEST(GgufTokenizer, RefusesWhatDoesNotFit) {
  const auto refusal = [](const std::function<void(GgufTokenizer&)>& change) -> std::string {
    GgufTokenizer gguf = as_gguf("gpt2", "gpt-2");
    change(gguf);
    try {
      make_tokenizer_json(gguf);
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), ErrorKind::kBadInput);
      return error.what();
    }
    return "accepted";
  };
  EXPECT_THAT(refusal([](auto& gguf) { gguf.pre = "viking"; }), HasSubstr("known: gpt-2, smollm"));
  EXPECT_THAT(refusal([](auto& gguf) { gguf.token_types.pop_back(); }),
      HasSubstr("token_type: expected one for each"));
  EXPECT_THAT(refusal([](auto& gguf) { gguf.token_types[2] = 9; }), HasSubstr("token_type[2]"));
  EXPECT_THAT(
      refusal([](auto& gguf) { gguf.tokens[7] = gguf.tokens[8]; }), HasSubstr("occurs twice"));
  EXPECT_THAT(refusal([](auto& gguf) { gguf.tokens[7] = "\xFF"; }),
      HasSubstr("tokens[7]: not valid UTF-8"));
  EXPECT_THAT(
      refusal([](auto& gguf) { gguf.merges[3] = "nowhere b"; }), HasSubstr("model.merges[3]"));
  EXPECT_THAT(refusal([](auto& gguf) { gguf.eos = 1 << 30; }), HasSubstr("eos_token_id"));
  EXPECT_THAT(refusal([](auto& gguf) { gguf.bos = -1; }), HasSubstr("bos_token_id"));
  EXPECT_THAT(refusal([](auto& gguf) {
    gguf.tokens.clear();
    gguf.token_types.clear();
    gguf.bos.reset();
    gguf.eos.reset();
  }),
      HasSubstr("the vocabulary is empty"));
}

}  // namespace
}  // namespace salf::data
