#include "salf/data/tokenizer_json.h"

#include <functional>
#include <utility>

#include "tokenizer_files.h"

namespace salf::data {
namespace {

using nlohmann::json;
using testing::ElementsAre;
using testing::HasSubstr;
using GgufTokenizerJson = TokenizerFiles;

// The golden tokenizer of a rule, as a GGUF file holds it.
GgufTokenizer as_gguf(const std::string& rule, const std::string& pre) {
  const json file = read_json(golden_tokenizer(rule + "/tokenizer.json"));
  GgufTokenizer gguf;
  const std::size_t count = file["model"]["vocab"].size();
  gguf.tokens.resize(count);
  gguf.token_types.assign(count, 1);
  for (const auto& [token, id] : file["model"]["vocab"].items())
    gguf.tokens[id.get<std::size_t>()] = token;
  for (const json& merge : file["model"]["merges"]) {
    gguf.merges.push_back(merge[0].get<std::string>() + " " + merge[1].get<std::string>());
  }
  gguf.token_types[0] = gguf.token_types[1] = 3;
  gguf.pre = pre;
  gguf.bos = 0;
  gguf.eos = 1;
  return gguf;
}

TEST_F(GgufTokenizerJson, GivesTheIdsOfTheTokenizerItCameFrom) {
  const json expected = read_json(golden_tokenizer("ids.json"));
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
  EXPECT_THAT(refusal([](auto& gguf) { gguf.tokens[7] = gguf.tokens[8]; }),
              HasSubstr("occurs twice"));
  EXPECT_THAT(refusal([](auto& gguf) { gguf.tokens[7] = "\xFF"; }),
              HasSubstr("tokens[7]: not valid UTF-8"));
  EXPECT_THAT(refusal([](auto& gguf) { gguf.merges[3] = "nowhere b"; }),
              HasSubstr("model.merges[3]"));
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
