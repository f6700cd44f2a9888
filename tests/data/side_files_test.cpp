// What stands beside a tokenizer.json.
#include "data/tokenizer/side_files.h"

#include "tokenizer_files.h"

namespace salf::data {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

class SideFilesTest : public TokenizerFiles {
 protected:
  std::unique_ptr<Tokenizer> gpt2() const {
    return load(read_json(golden_tokenizer("gpt2/tokenizer.json")));
  }
};

TEST_F(SideFilesTest, TheEndTokenIsFoundWhereTransformersFindsIt) {
  EXPECT_FALSE(gpt2()->eos_id());
  write("config.json", R"({"eos_token_id": 1})");
  EXPECT_EQ(gpt2()->eos_id(), 1);
  write("generation_config.json", R"({"eos_token_id": [0, 1]})");
  EXPECT_EQ(gpt2()->eos_id(), 0);
  EXPECT_THAT(read_end_ids(folder_), ElementsAre(0, 1));
  write("tokenizer_config.json", R"({"model_max_length": 1024})");
  EXPECT_EQ(gpt2()->eos_id(), 0);
  write("special_tokens_map.json", R"({"eos_token": {"content": "<|im_end|>"}})");
  EXPECT_EQ(gpt2()->eos_id(), 1);
  write("tokenizer_config.json", R"({"eos_token": "<|im_start|>"})");
  EXPECT_EQ(gpt2()->eos_id(), 0);
  write("tokenizer_config.json", R"({"eos_token": null})");
  EXPECT_FALSE(gpt2()->eos_id());
}

TEST_F(SideFilesTest, AnEndIdThatIsNoTokenIsNone) {
  write("config.json", R"({"eos_token_id": 50256})");
  EXPECT_FALSE(gpt2()->eos_id());
  write("config.json", R"({"eos_token_id": "x"})");
  EXPECT_FALSE(gpt2()->eos_id());
}

TEST_F(SideFilesTest, TokensOfSideFilesAreTokens) {
  write("added_tokens.json", R"({"<extra>": 360})");
  write("tokenizer_config.json",
      R"({"added_tokens_decoder": {"361": {"content": "<more>", "special": true}},
          "additional_special_tokens": ["<last>"], "unk_token": "!"})");
  const auto tokenizer = gpt2();
  EXPECT_THAT(tokenizer->encode("<extra><more><last>"), ElementsAre(360, 361, 362));
  EXPECT_FALSE(tokenizer->is_special(360));
  EXPECT_TRUE(tokenizer->is_special(361));
  EXPECT_TRUE(tokenizer->is_special(362));
  EXPECT_TRUE(tokenizer->is_special(2));  // "!", a special token of the vocabulary
}

TEST_F(SideFilesTest, DamagedSideFilesAreNamed) {
  for (const char* name : {"special_tokens_map.json", "added_tokens.json", "config.json"}) {
    write(name, "[1");
    try {
      gpt2();
      ADD_FAILURE() << name;
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), ErrorKind::kBadInput);
      EXPECT_THAT(error.what(), HasSubstr(name));
    }
    write(name, "{}");
  }
}

}  // namespace
}  // namespace salf::data
