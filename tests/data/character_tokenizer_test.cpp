// Tokenizers of characters (SentencePiece's kind) against Hugging Face's and Google's ids.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/error.h"
#include "core/files.h"
#include "core/json.h"
#include "data/tokenizer/tokenizer.h"
#include "tokenizer_files.h"

namespace salf::data {
namespace {

using core::Json;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using Ids = std::vector<std::int64_t>;
using CharacterPipeline = TokenizerFiles;

std::filesystem::path golden_file(const std::string& name) {
  const auto folder = golden_tokenizer("characters/" + name);
  const auto json_file = folder / "tokenizer.json";
  return std::filesystem::exists(json_file) ? json_file : folder / "tokenizer.model";
}

class CharacterGolden : public ::testing::TestWithParam<const char*> {};

TEST_P(CharacterGolden, IdsAndTextsEqualTheReference) {
  const auto tokenizer = load_tokenizer(golden_file(GetParam()));
  const Json lines = read_json(golden_tokenizer("characters/lines.json"));
  const Json expected =
      read_json(golden_tokenizer(std::string("characters/") + GetParam() + "/expected.json"));
  ASSERT_EQ(lines.size(), expected["ids"].size());
  ASSERT_GT(lines.size(), 200U);
  for (std::size_t i = 0; i < lines.size(); ++i) {
    EXPECT_EQ(tokenizer->encode(lines[i].get<std::string>()), expected["ids"][i].get<Ids>())
        << lines[i];
  }
  for (const Json& entry : expected["decoded"]) {
    const Ids ids = entry[0].get<Ids>();
    EXPECT_EQ(tokenizer->decode(ids), entry[1].get<std::string>()) << entry[0];
    EXPECT_EQ(decode_without_special(*tokenizer, ids), entry[2].get<std::string>()) << entry[0];
  }
}

INSTANTIATE_TEST_SUITE_P(Pipelines, CharacterGolden,
    ::testing::Values("llama2", "first", "gemma", "folded", "words", "precompiled", "unigram",
        "bpe", "llama_class"));

// Quadratic time would take hours.
TEST(CharacterTokenizer, ALineOfAMegabyteEnds) {
  for (const char* name : {"llama2", "unigram", "llama_class"}) {
    const auto tokenizer = load_tokenizer(golden_file(name));
    for (const char* unit : {"a", "the", " ", "\xE6\x97\xA5"}) {
      std::string text = "x";
      while (text.size() < 1'000'000) text += unit;
      EXPECT_GT(tokenizer->encode(text).size(), 0U) << name;
    }
  }
}

// Every prefix of the file is read or refused with an Error.
void truncate_everywhere(const std::filesystem::path& source, const std::string& name) {
  const std::string whole = core::read_file(source);
  const auto folder = std::filesystem::temp_directory_path() /
                      ("salf_truncated_" + std::to_string(::getpid()) + name);
  std::filesystem::create_directories(folder);
  std::size_t accepted = 0;
  for (std::size_t size = 0; size < whole.size(); ++size) {
    std::ofstream(folder / name, std::ios::binary) << whole.substr(0, size);
    try {
      const auto tokenizer = load_tokenizer(folder / name);
      tokenizer->decode(tokenizer->encode("the quick brown \xC3\xA9 fox <|x|>"));
      ++accepted;
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), ErrorKind::kBadInput) << size << ": " << error.what();
    }
  }
  EXPECT_LT(accepted, whole.size() / 8);
  std::filesystem::remove_all(folder);
}

TEST(CharacterTokenizer, TruncatedJsonIsRefused) {
  truncate_everywhere(golden_tokenizer("characters/precompiled/tokenizer.json"), "tokenizer.json");
}

// A model that ends between two pieces is one with fewer pieces.
TEST(CharacterTokenizer, TruncatedModelsAreReadOrRefused) {
  truncate_everywhere(golden_tokenizer("characters/unigram/tokenizer.model"), "tokenizer.model");
  truncate_everywhere(golden_tokenizer("characters/bpe/tokenizer.model"), "tokenizer.model");
}

TEST_F(CharacterPipeline, DamagedModelsAreReadOrRefused) {
  const std::string whole = core::read_file(golden_file("unigram"));
  for (std::size_t i = 0; i < whole.size(); ++i) {
    for (const unsigned flip : {0x01U, 0x80U, 0xFFU}) {
      std::string damaged = whole;
      damaged[i] = static_cast<char>(static_cast<unsigned char>(damaged[i]) ^ flip);
      write("tokenizer.model", damaged);
      try {
        const auto tokenizer = load_tokenizer(folder_ / "tokenizer.model");
        tokenizer->encode(
            "Q\xC3\xA9 e\xCC\x81 \xE3\x80\x80 \xEF\xAC\x81 \xC2\xBD \xEF\xBB\xBF the");
      } catch (const Error& error) {
        EXPECT_EQ(error.kind(), ErrorKind::kBadInput) << i << ": " << error.what();
      }
    }
  }
}

// A vocabulary by hand: characters with bytes for the rest.
Json small_file() {
  Json file = Json::parse(R"({"added_tokens":[], "normalizer":null, "pre_tokenizer":null,
    "post_processor":null, "decoder":null,
    "model":{"type":"BPE","vocab":{"<unk>":0,"a":1,"b":2,"ab":3,"é":4,"▁":5,"▁a":6},
             "merges":[["a","b"],["▁","a"]],"unk_token":"<unk>"}})");
  return file;
}

TEST_F(CharacterPipeline, UnknownCharactersAreFusedOrNot) {
  Json file = small_file();
  EXPECT_THAT(load(file)->encode("ab\xE6\x97\xA5\xE6\x97\xA5\xC3\xA9"), ElementsAre(3, 0, 0, 4));
  file["model"]["fuse_unk"] = true;
  EXPECT_THAT(load(file)->encode("ab\xE6\x97\xA5\xE6\x97\xA5\xC3\xA9"), ElementsAre(3, 0, 4));
  file["model"]["unk_token"] = nullptr;
  EXPECT_THAT(load(file)->encode("ab\xE6\x97\xA5\xC3\xA9"), ElementsAre(3, 4));
}

TEST_F(CharacterPipeline, BytesStandForUnknownCharactersWhereAllAreThere) {
  Json file = small_file();
  file["model"]["byte_fallback"] = true;
  file["model"]["vocab"]["<0xC3>"] = 7;
  EXPECT_THAT(load(file)->encode("a\xC3\xA8"), ElementsAre(1, 0));
  file["model"]["vocab"]["<0xA8>"] = 8;
  EXPECT_THAT(load(file)->encode("a\xC3\xA8"), ElementsAre(1, 7, 8));
  file["decoder"] = {{"type", "ByteFallback"}};
  EXPECT_EQ(load(file)->decode({1, 7, 8}), "a\xC3\xA8");
  EXPECT_EQ(load(file)->decode({8, 7, 1}),
      "\xEF\xBF\xBD\xEF\xBF\xBD"
      "a");
}

TEST_F(CharacterPipeline, MetaspaceIsPutInFrontOfTheFirstOrAllPieces) {
  Json file = small_file();
  file["added_tokens"] = Json::parse(R"([{"id":7,"content":"|","special":true}])");
  file["pre_tokenizer"] = Json::parse(R"({"type":"Metaspace","replacement":"▁"})");
  EXPECT_THAT(load(file)->encode("a|a a"), ElementsAre(6, 7, 6, 6));
  file["pre_tokenizer"]["prepend_scheme"] = "first";
  EXPECT_THAT(load(file)->encode("a|a a"), ElementsAre(6, 7, 1, 6));
  EXPECT_THAT(load(file)->encode("|a"), ElementsAre(7, 1));
  EXPECT_THAT(load(file)->encode(" a"), ElementsAre(6));  // it is there already
  file["pre_tokenizer"]["prepend_scheme"] = "never";
  EXPECT_THAT(load(file)->encode("a|a a"), ElementsAre(1, 7, 1, 6));
}

TEST_F(CharacterPipeline, UnigramTakesTheLikeliestWay) {
  Json file = small_file();
  file["model"] = Json::parse(R"({"type":"Unigram","unk_id":0,"vocab":[["<unk>",0.0],["a",-2.0],
    ["b",-2.0],["ab",-3.5],["ba",-1.0],["aba",-9.0]]})");
  EXPECT_THAT(load(file)->encode("aba"), ElementsAre(1, 4));  // -3 and not -5.5
  EXPECT_THAT(load(file)->encode("ab"), ElementsAre(3));
  EXPECT_THAT(load(file)->encode("axxb"), ElementsAre(1, 0, 2));
  file["model"]["unk_id"] = nullptr;
  EXPECT_THROW(load(file)->encode("axxb"), Error);
}

TEST_F(CharacterPipeline, NamesWhatIsWrong) {
  const auto with = [&](const char* pointer, const char* value) {
    Json file = small_file();
    file[Json::json_pointer(pointer)] = Json::parse(value);
    return refusal(file.dump());
  };
  EXPECT_THAT(with("/normalizer", R"({"type":"BertNormalizer"})"),
      HasSubstr("normalizer.type: BertNormalizer is not supported; known: NFC"));
  EXPECT_THAT(with("/normalizer", R"({"type":"Replace","pattern":{"String":""},"content":""})"),
      HasSubstr("normalizer.pattern.String: expected at least one"));
  EXPECT_THAT(with("/normalizer", R"({"type":"Precompiled","precompiled_charsmap":"AAAA!"})"),
      HasSubstr("precompiled_charsmap: expected base64"));
  EXPECT_THAT(with("/normalizer", R"({"type":"Precompiled","precompiled_charsmap":"/////w=="})"),
      HasSubstr("precompiled_charsmap: damaged"));
  EXPECT_THAT(with("/pre_tokenizer", R"({"type":"UnicodeScripts"})"),
      HasSubstr("pre_tokenizer.type: UnicodeScripts"));
  EXPECT_THAT(with("/pre_tokenizer", R"({"type":"Metaspace","replacement":"ab"})"),
      HasSubstr("replacement: expected one character"));
  EXPECT_THAT(
      with("/pre_tokenizer", R"({"type":"Metaspace","replacement":"_","prepend_scheme":"last"})"),
      HasSubstr("prepend_scheme: expected always, first or never"));
  EXPECT_THAT(with("/decoder", R"({"type":"CTC"})"), HasSubstr("decoder.type: CTC"));
  EXPECT_THAT(with("/decoder", R"({"type":"Strip","content":" ","start":-1,"stop":0})"),
      HasSubstr("decoder.start"));
  EXPECT_THAT(with("/model", R"({"type":"Unigram","vocab":[]})"), HasSubstr("empty"));
  EXPECT_THAT(with("/model", R"({"type":"Unigram","vocab":[["a"]]})"),
      HasSubstr("model.vocab[0]: expected [\"token\", score]"));
  EXPECT_THAT(with("/model", R"({"type":"Unigram","vocab":[["a",0.5]],"unk_id":1})"),
      HasSubstr("model.unk_id"));
}

}  // namespace
}  // namespace salf::data
