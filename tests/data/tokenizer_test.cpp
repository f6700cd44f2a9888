#include "data/tokenizer/tokenizer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <thread>

#include "core/error.h"
#include "core/hash.h"
#include "core/json.h"
#include "tokenizer_files.h"

namespace salf::data {
namespace {

using core::Json;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using Ids = std::vector<std::int64_t>;
using TokenizerReader = TokenizerFiles;
using TokenizerOptions = TokenizerFiles;

class TokenizerGolden : public ::testing::TestWithParam<const char*> {};

TEST_P(TokenizerGolden, IdsEqualHuggingFace) {
  const auto tokenizer =
      load_tokenizer(golden_tokenizer(std::string(GetParam()) + "/tokenizer.json"));
  const Json expected = read_json(golden_tokenizer("ids.json"));
  const Json& lines = expected["lines"];
  const Json& ids = expected["ids"][GetParam()];
  ASSERT_EQ(lines.size(), ids.size());
  ASSERT_GT(lines.size(), 40U);
  for (std::size_t i = 0; i < lines.size(); ++i) {
    EXPECT_EQ(tokenizer->encode(lines[i].get<std::string>()), ids[i].get<Ids>()) << lines[i];
  }
}

INSTANTIATE_TEST_SUITE_P(
    Rules, TokenizerGolden, ::testing::Values("gpt2", "smollm", "llama3", "qwen2", "mixed"));

TEST(Tokenizer, DecodeGivesTheTextBack) {
  const auto tokenizer = load_tokenizer(golden_tokenizer("llama3/tokenizer.json"));
  const Json lines = read_json(golden_tokenizer("ids.json"))["lines"];
  std::size_t checked = 0;
  for (const Json& line : lines) {
    const auto text = line.get<std::string>();
    if (text.find("[L]") != std::string::npos || text.find("[R]") != std::string::npos) continue;
    // Normalised added tokens come back as they are written in the file.
    EXPECT_EQ(tokenizer->decode(tokenizer->encode(text)), text);
    ++checked;
  }
  EXPECT_GT(checked, 20U);
}

TEST(Tokenizer, LongRunsAndWordsTakeNoMoreThanTheirLength) {
  const auto tokenizer = load_tokenizer(golden_tokenizer("qwen2/tokenizer.json"));
  const std::size_t length = 200000;
  for (const char* unit : {" ", "\n", "a", "ab", "1", "\xE3\x80\x80", "\xE6\x97\xA5", " \n", "!"}) {
    std::string text;
    while (text.size() < length) text += unit;
    text += " x";
    EXPECT_EQ(tokenizer->decode(tokenizer->encode(text)), text) << unit;
  }
}

TEST(Tokenizer, ThreadsGetTheSameIds) {
  const auto tokenizer = load_tokenizer(golden_tokenizer("smollm/tokenizer.json"));
  const Json lines = read_json(golden_tokenizer("ids.json"))["lines"];
  const auto encode_all = [&] {
    std::vector<Ids> all;
    for (const Json& line : lines) all.push_back(tokenizer->encode(line.get<std::string>()));
    return all;
  };
  const std::vector<Ids> expected = encode_all();
  std::vector<std::vector<Ids>> found(4);
  std::vector<std::thread> threads;
  for (auto& slot : found) threads.emplace_back([&] { slot = encode_all(); });
  for (auto& thread : threads) thread.join();
  for (const auto& slot : found) EXPECT_EQ(slot, expected);
}

TEST(Tokenizer, RefusesInvalidUtf8AndUnknownIds) {
  const auto tokenizer = load_tokenizer(golden_tokenizer("gpt2/tokenizer.json"));
  EXPECT_THROW(tokenizer->encode("ab\xC3"), Error);
  EXPECT_THROW(tokenizer->encode("\xED\xA0\x80"), Error);  // a surrogate
  EXPECT_THROW(tokenizer->decode({-1}), Error);
  EXPECT_THROW(tokenizer->decode({tokenizer->vocabulary_size()}), Error);
}

TEST(Tokenizer, HashIsTheFiles) {
  const auto path = golden_tokenizer("gpt2/tokenizer.json");
  EXPECT_EQ(load_tokenizer(path)->hash(), core::sha256_file(path));
}

// A vocabulary by hand: a 0, b 1, c 2, ab 3, bc 4, abc 5, space 6.
Json three_letters() {
  return Json::parse(R"({"added_tokens":[], "normalizer":null,
    "pre_tokenizer":{"type":"ByteLevel","add_prefix_space":false,"use_regex":true},
    "post_processor":null, "decoder":{"type":"ByteLevel"},
    "model":{"type":"BPE","vocab":{"a":0,"b":1,"c":2,"ab":3,"bc":4,"abc":5,"Ġ":6},
             "merges":["b c","a b","a bc"]}})");
}

TEST_F(TokenizerOptions, MergesGoByRankThenFromTheLeft) {
  const auto tokenizer = load(three_letters());
  EXPECT_THAT(tokenizer->encode("abc"), ElementsAre(5));  // b c, then a bc
  EXPECT_THAT(tokenizer->encode("ab"), ElementsAre(3));
  EXPECT_THAT(tokenizer->encode("abab c"), ElementsAre(3, 3, 6, 2));
  EXPECT_THAT(tokenizer->encode(""), ElementsAre());
  EXPECT_EQ(tokenizer->vocabulary_size(), 7);
}

TEST_F(TokenizerOptions, IgnoreMergesTakesWholeWords) {
  Json file = three_letters();
  file["model"]["merges"] = Json::array();
  EXPECT_THAT(load(file)->encode("abc"), ElementsAre(0, 1, 2));
  file["model"]["ignore_merges"] = true;
  EXPECT_THAT(load(file)->encode("abc"), ElementsAre(5));
}

TEST_F(TokenizerOptions, UnknownBytesAreLeftOutOrBecomeUnk) {
  Json file = three_letters();
  EXPECT_THAT(load(file)->encode("axxa"), ElementsAre(0, 0));
  file["model"]["unk_token"] = "c";
  EXPECT_THAT(load(file)->encode("axxa"), ElementsAre(0, 2, 2, 0));
  file["model"]["fuse_unk"] = true;
  EXPECT_THAT(load(file)->encode("axxa"), ElementsAre(0, 2, 0));
}

TEST_F(TokenizerOptions, AddedTokensTheLongestFirst) {
  Json file = three_letters();
  file["added_tokens"] = Json::parse(R"([
    {"id":7,"content":"<a","special":true}, {"id":8,"content":"<ab>","special":true},
    {"id":9,"content":"b","single_word":true,"normalized":false},
    {"id":10,"content":"{","lstrip":true,"rstrip":true}])");
  file["added_tokens"][2]["id"] = 1;
  file["added_tokens"][3]["id"] = 9;
  const auto tokenizer = load(file);
  EXPECT_THAT(tokenizer->encode("<ab><ab"), ElementsAre(8, 7, 1));
  EXPECT_THAT(tokenizer->encode("ab b"), ElementsAre(3, 6, 1));
  EXPECT_THAT(tokenizer->encode("a  { \xE3\x80\x80 a"), ElementsAre(0, 9, 0));
  EXPECT_EQ(tokenizer->decode({8, 9}), "<ab>{");
}

TEST_F(TokenizerOptions, SpecialIdsComeFromTheConfigAndTheTemplate) {
  Json file = three_letters();
  EXPECT_FALSE(load(file)->bos_id().has_value());
  EXPECT_FALSE(load(file)->add_bos());
  file["post_processor"] = Json::parse(R"({"type":"TemplateProcessing",
    "single":[{"SpecialToken":{"id":"a","type_id":0}},{"Sequence":{"id":"A","type_id":0}}],
    "pair":[], "special_tokens":{"a":{"id":"a","ids":[0],"tokens":["a"]}}})");
  EXPECT_EQ(load(file)->bos_id(), 0);
  EXPECT_TRUE(load(file)->add_bos());
  EXPECT_THAT(load(file)->encode("b"), ElementsAre(1));  // without bos all the same
  write("tokenizer_config.json",
      R"({"eos_token":{"content":"b"},"pad_token":"c","add_bos_token":false})");
  EXPECT_EQ(load(file)->eos_id(), 1);
  EXPECT_EQ(load(file)->padding_id(), 2);
  EXPECT_FALSE(load(file)->add_bos());
  write("tokenizer_config.json", R"({"eos_token":"nowhere"})");
  EXPECT_THAT(refusal(file.dump()),
      HasSubstr("tokenizer_config.json: eos_token: the tokenizer has no token"));
  write("tokenizer_config.json", R"({"bos_token":"b"})");
  EXPECT_THAT(
      refusal(file.dump()), HasSubstr("the template begins with the id 0, but bos_token is 1"));
}

TEST_F(TokenizerReader, NamesWhatIsNotSupported) {
  EXPECT_THAT(
      refusal("/normalizer", {{"type", "ByteLevel"}}), HasSubstr("normalizer.type: ByteLevel"));
  EXPECT_THAT(refusal("/pre_tokenizer/type", "BertPreTokenizer"),
      HasSubstr("pre_tokenizer.type: BertPreTokenizer"));
  EXPECT_THAT(refusal("/decoder/type", "WordPiece"), HasSubstr("decoder.type: WordPiece"));
  EXPECT_THAT(refusal("/post_processor/type", "BertProcessing"), HasSubstr("BertProcessing"));
  EXPECT_THAT(refusal("/model/type", "WordPiece"), HasSubstr("model.type: WordPiece"));
  EXPECT_THAT(refusal("/model/dropout", 0.1), HasSubstr("model.dropout"));
  EXPECT_THAT(refusal("/model/end_of_word_suffix", "</w>"), HasSubstr("model.end_of_word_suffix"));
  EXPECT_THAT(
      refusal("/model/continuing_subword_prefix", "##"), HasSubstr("continuing_subword_prefix"));
  EXPECT_THAT(refusal("/model/unk_token", "nowhere"), HasSubstr("model.unk_token"));
  EXPECT_THAT(refusal("/model/mystery", 1), HasSubstr("\"mystery\" is not supported"));
  EXPECT_EQ(refusal("/pre_tokenizer", nullptr), "accepted");
}

TEST_F(TokenizerReader, NamesWhatIsWrongInTheVocabulary) {
  const auto model = [&](const char* text) {
    Json file = three_letters();
    file["model"] = Json::parse(text);
    return refusal(file.dump());
  };
  EXPECT_THAT(model(R"({"vocab":{"a":0,"b":0},"merges":[]})"),
      HasSubstr("model.vocab[\"b\"]: the id 0 is taken"));
  EXPECT_THAT(model(R"({"vocab":{"a":-1},"merges":[]})"), HasSubstr("expected a token id"));
  EXPECT_THAT(model(R"({"vocab":{"a":1e3},"merges":[]})"), HasSubstr("expected a token id"));
  EXPECT_THAT(model(R"({"vocab":{"a":2147483647},"merges":[]})"),
      HasSubstr("too many ids without a token"));
  EXPECT_THAT(model(R"({"vocab":{"a":99999999999999999999},"merges":[]})"),
      HasSubstr("expected a token id"));
  EXPECT_THAT(model(R"({"vocab":{},"merges":[]})"), HasSubstr("the vocabulary is empty"));
  EXPECT_THAT(model(R"({"vocab":{"a":0,"b":1},"merges":["a b"]})"),
      HasSubstr("model.merges[0]: \"ab\" is not in the vocabulary"));
  EXPECT_THAT(
      model(R"({"vocab":{"a":0},"merges":["a z"]})"), HasSubstr("\"z\" is not in the vocabulary"));
  EXPECT_THAT(model(R"({"vocab":{"a":0},"merges":["a"]})"),
      HasSubstr("model.merges[0]: expected two tokens"));
  EXPECT_THAT(
      model(R"({"vocab":{"a":0},"merges":[["a"]]})"), HasSubstr("model.merges[0]: expected"));
  EXPECT_THAT(model(R"({"vocab":{"a":0},"merges":[["a",1]]})"),
      HasSubstr("model.merges[0][1]: expected a string"));
  EXPECT_THAT(model(R"({"vocab":{"a":0,"<0x0A>":1},"merges":[],"byte_fallback":true})"),
      HasSubstr("byte_fallback"));
}

TEST_F(TokenizerReader, NamesWhatIsWrongInAddedTokens) {
  const auto added = [&](const char* text) { return refusal("/added_tokens", Json::parse(text)); };
  EXPECT_THAT(
      added(R"([{"id":5,"content":"new"}])"), HasSubstr("added_tokens[0]: the id 5 is taken"));
  EXPECT_THAT(added(R"([{"id":900000000,"content":"new"}])"), HasSubstr("too many ids"));
  EXPECT_THAT(
      added(R"([{"id":1,"content":"<|im_start|>"}])"), HasSubstr("is not the vocabulary's"));
  EXPECT_THAT(
      added(R"([{"id":400,"content":"n"},{"id":400,"content":"m"}])"), HasSubstr("added_tokens"));
  EXPECT_THAT(added(R"([{"content":"new"}])"), HasSubstr("expected a member \"id\""));
  EXPECT_THAT(added(R"({"a":1})"), HasSubstr("expected an array"));
}

TEST_F(TokenizerReader, RefusesPatternsThatWouldMeanSomethingElse) {
  const auto pattern = [&](const std::string& regex) {
    return refusal("/pre_tokenizer",
        {{"type", "Sequence"},
            {"pretokenizers",
                {{{"type", "Split"}, {"pattern", {{"Regex", regex}}}, {"behavior", "Isolated"}},
                    {{"type", "ByteLevel"}}}}});
  };
  EXPECT_EQ(pattern(R"(\s+(?!\S)|[^\p{L}-]{1,3}|a{,b}|\w+?x++)"), "accepted");
  EXPECT_THAT(pattern("(a"), HasSubstr("does not compile"));
  EXPECT_THAT(pattern("*"), HasSubstr("does not compile"));
  EXPECT_THAT(pattern(std::string("a\0b", 3)), HasSubstr("a NUL byte"));
  for (const char* regex : {R"(\bx)", R"(\h)", "[a[bc]]", "[a-z&&b]", "[[:alpha:]]", "(?<n>a)",
           R"((a)\1)", "a{2}+", "a**", "a{,3}", "(?i:ss)", "a(?i)b", R"(\p{Greek})", R"([^\P{L}])",
           R"(\xFF)", R"(\K)", "(*ACCEPT)", "[b-a]", "[]a]", R"(\u12)", "a\\"}) {
    EXPECT_THAT(pattern(regex), HasSubstr("pattern.Regex: ")) << regex;
    EXPECT_THAT(pattern(regex), HasSubstr("is not supported")) << regex;
  }
  // Exponentially many ways: refused when it is met, and not waited for.
  const Json rule = {
      {"type", "Split"}, {"pattern", {{"Regex", "(?:a+)+[xy]"}}}, {"behavior", "Isolated"}};
  Json file = three_letters();
  file["pre_tokenizer"] = {
      {"type", "Sequence"}, {"pretokenizers", {rule, {{"type", "ByteLevel"}}}}};
  const auto tokenizer = load(file);
  EXPECT_THROW(tokenizer->encode(std::string(60, 'a')), Error);
}

TEST_F(TokenizerReader, NamesBrokenFiles) {
  EXPECT_THAT(refusal("", Json()), HasSubstr("expected an object"));
  const std::string whole = read_json(golden_tokenizer("gpt2/tokenizer.json")).dump();
  EXPECT_THAT(refusal(whole.substr(0, whole.size() / 2)), HasSubstr("not valid JSON"));
  EXPECT_THAT(refusal(std::string()), HasSubstr("not valid JSON"));
  EXPECT_THAT(refusal("{\"model\":\"\xFF\"}"), HasSubstr("not valid JSON"));
  EXPECT_THAT(refusal(R"({"model":{},"model":{}})"), HasSubstr("\"model\" occurs twice"));
  EXPECT_THAT(refusal(std::string(100000, '[')), HasSubstr("nested deeper than 64"));
  EXPECT_THAT(refusal(R"({"model":7})"), HasSubstr("model: expected an object"));
  try {
    load_tokenizer(folder_ / "missing.json");
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::kIo);
  }
}

}  // namespace
}  // namespace salf::data
