// Rows as users bring them: packed, piped, as conversations; and what the program makes of them.
#include <gmock/gmock.h>
#include <signal.h>
#include <unistd.h>
#include <zlib.h>

#include "small_world.h"

namespace salf::testing {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

class DataFiles : public SmallWorld {
 protected:
  // rows.jsonl as rows.gz.
  void pack() const {
    const std::string rows = text("rows.jsonl");
    const gzFile file = gzopen((folder_ / "rows.gz").c_str(), "wb");
    ASSERT_EQ(gzwrite(file, rows.data(), static_cast<unsigned>(rows.size())),
        static_cast<int>(rows.size()));
    ASSERT_EQ(gzclose(file), Z_OK);
  }
  ProgramSetting piped(const char* file) const {
    ProgramSetting setting;
    setting.in = (folder_ / file).string();
    return setting;
  }
  void write_chats() const {
    std::string rows;
    for (int i = 0; i < 40; ++i) {
      rows += R"({"messages": [{"role": "user", "content": "Say )" + std::to_string(i) +
              R"("}, {"role": "assistant", "content": "It is )" + std::to_string(i) +
              R"(."}]})"
              "\n";
    }
    write("chats.jsonl", rows);
  }
  std::string losses(const ProgramResult& result) const {
    EXPECT_EQ(result.code, 0) << result.err;
    core::Json tokens = core::parse_json(result.out, "eval")["tokens"];
    tokens.erase("seconds");
    return tokens.dump();
  }
};

TEST_F(DataFiles, GzipAndStandardInputGiveTheSameAsTheFile) {
  pack();
  const std::string expected = losses(salf({"eval", "model", "--data", "rows.jsonl", "--json"}));
  EXPECT_EQ(losses(salf({"eval", "model", "--data", "rows.gz", "--json"})), expected);
  EXPECT_EQ(
      losses(salf({"eval", "model", "--data", "-", "--json"}, piped("rows.jsonl"))), expected);
  EXPECT_EQ(losses(salf({"eval", "model", "--data", "-", "--json"}, piped("rows.gz"))), expected);
}

TEST_F(DataFiles, PackedRowsHaveTheLossOfTheRowsAlone) {
  const auto loss = [this](const std::vector<std::string>& more) {
    std::vector<std::string> words{
        "eval", "model", "--data", "rows.jsonl", "--json", "--dtype", "f32"};
    words.insert(words.end(), more.begin(), more.end());
    const ProgramResult result = salf(words);
    EXPECT_EQ(result.code, 0) << result.err;
    return core::parse_json(result.out, "eval")["tokens"]["loss"]["value"].get<double>();
  };
  const double expected = loss({});
  EXPECT_NEAR(loss({"--pack", "1024"}), expected, 1e-5);
  EXPECT_NEAR(loss({"--pack", "200"}), expected, 1e-5);
}

TEST_F(DataFiles, TruncatedGzipNamesTheFileAndTheByte) {
  pack();
  write("half.gz", text("rows.gz").substr(0, 500));
  const ProgramResult result = salf({"eval", "model", "--data", "half.gz"});
  EXPECT_EQ(result.code, 5);
  EXPECT_THAT(result.err, AllOf(HasSubstr("half.gz: at byte 500"), HasSubstr("cut off")));
}

TEST_F(DataFiles, ARunFromStandardInputCannotBeResumed) {
  ProgramSetting setting = piped("rows.jsonl");
  setting.while_it_runs = [this](pid_t process) {
    while (!exists("run/metrics.jsonl") && !exists("run/model.pt")) ::usleep(10'000);
    ::kill(process, SIGINT);
  };
  const ProgramResult stopped =
      salf({"train", "model", "--data", "-", "--budget", "100000steps", "-o", "run"}, setting);
  ASSERT_EQ(stopped.code, 128 + SIGINT) << stopped.err;
  const ProgramResult resumed = salf({"train", "--resume", "run"});
  EXPECT_EQ(resumed.code, 2);
  EXPECT_THAT(resumed.err, HasSubstr("standard input"));
}

TEST_F(DataFiles, ConversationsTakeTheModelsTemplate) {
  write_chats();
  const ProgramResult without = salf({"eval", "model", "--data", "chats.jsonl"});
  EXPECT_EQ(without.code, 2);
  EXPECT_THAT(without.err, AllOf(HasSubstr("no chat template"), HasSubstr("--chat-template NAME")));
  write("model/tokenizer_config.json", R"({"chat_template": "{{ mine }}"})");
  EXPECT_THAT(salf({"eval", "model", "--data", "chats.jsonl"}).err, HasSubstr("cannot be found"));
  succeeds({"train", "model", "--data", "chats.jsonl", "--chat-template", "chatml", "--budget",
      "2steps", "-o", "run"});
  EXPECT_THAT(text("run/chat_template.jinja"), HasSubstr("<|im_start|>"));
  succeeds({"eval", "run", "--data", "chats.jsonl"});  // needs no flag
}

TEST_F(DataFiles, SeveralFilesAndUnusedKeysAreNamed) {
  write("more.csv", "prompt,completion,id\na?,b,1\nc?,d,2\n");
  const ProgramResult result = salf({"data", "preview", "model/tokenizer.json", "--data",
      "rows.jsonl", "--data", "more.csv", "--json"});
  ASSERT_EQ(result.code, 0) << result.err;
  EXPECT_THAT(
      result.err, AllOf(HasSubstr("more.csv (2 rows)"), HasSubstr("not used: id (2 rows)")));
}

TEST_F(DataFiles, ASentencePieceModelGoesWithTheRun) {
  std::filesystem::remove(folder_ / "model" / "tokenizer.json");
  std::filesystem::copy_file(
      std::string(SALF_TEST_DATA) + "/tokenizer/characters/bpe/tokenizer.model",
      folder_ / "model" / "tokenizer.model");
  succeeds(
      {"train", "model", "--data", "rows.jsonl", "--eof", "2", "--budget", "4steps", "-o", "run"});
  EXPECT_EQ(text("run/tokenizer.model"), text("model/tokenizer.model"));
  EXPECT_FALSE(exists("run/tokenizer.json"));
  const std::string expected = losses(salf({"eval", "run", "--data", "rows.jsonl", "--json"}));
  // The same file under another name.
  std::filesystem::rename(folder_ / "run" / "tokenizer.model", folder_ / "pieces.bin");
  EXPECT_THAT(salf({"eval", "run", "--data", "rows.jsonl"}).err, HasSubstr("--tokenizer"));
  EXPECT_EQ(
      losses(salf({"eval", "run", "--data", "rows.jsonl", "--tokenizer", "pieces.bin", "--json"})),
      expected);
}

TEST_F(DataFiles, PreviewMarksWhatCarriesLoss) {
  write_chats();
  const ProgramResult shown = salf({"data", "preview", "model", "--data", "chats.jsonl",
      "--chat-template", "chatml", "--rows", "2"});
  ASSERT_EQ(shown.code, 0) << shown.err;
  EXPECT_THAT(
      shown.out, AllOf(HasSubstr("line 1, "), HasSubstr("line 2, "), Not(HasSubstr("line 3, ")),
                     HasSubstr("<|im_start|>|"), HasSubstr("«I"), HasSubstr("<|im_end|>»"),
                     HasSubstr("\\n"), HasSubstr("40: "), Not(HasSubstr("\033"))));
  const ProgramResult json = salf({"data", "preview", "model/tokenizer.json", "--data", "-",
                                      "--chat-template", "chatml", "--json", "--rows", "1"},
      piped("chats.jsonl"));
  ASSERT_EQ(json.code, 0) << json.err;
  const core::Json result = core::parse_json(json.out, "preview");
  ASSERT_EQ(result["rows"].size(), 1U);
  EXPECT_EQ(result["rows"][0]["ids"].size(), result["rows"][0]["loss"].size());
  EXPECT_EQ(result["counts"]["documents"], 40);
  EXPECT_EQ(result["counts"]["conversations"], 40);
  EXPECT_EQ(result["chat_template"], "chatml");
}

TEST_F(DataFiles, PreviewEscapesWhatATerminalWouldObey) {
  write("bad.txt", "red \033[31m \xE2\x80\xAE turned \xC2\x9B 1A");
  const ProgramResult shown = salf(
      {"data", "preview", "model", "--data", "bad.txt", "--dev-share", "0", "--test-share", "0"});
  ASSERT_EQ(shown.code, 0) << shown.err;
  EXPECT_THAT(shown.out, AllOf(HasSubstr("\\x1B"), Not(HasSubstr("\033")),
                             Not(HasSubstr("\xE2\x80\xAE")), Not(HasSubstr("\xC2\x9B"))));
}

TEST_F(DataFiles, AnalyzeMeasuresADomainsWordsAndEachDomain) {
  std::string rows;
  for (int i = 0; i < 120; ++i) {
    rows += std::string(R"({"prompt": "What is )") + std::to_string(i) +
            R"(?", "completion": " A thing that breaks.", "domain": ")" +
            (i % 2 == 0 ? "<b>law\\u001b[31m" : "maths") + "\"}\n";
  }
  write("domains.jsonl", rows);
  write("words.txt", "thing\nbreaks\n");
  const ProgramResult result = salf({"analyze", "model", "--data", "domains.jsonl",
      "--basis-vocabulary", "words.txt", "-o", "profile.json"});
  ASSERT_EQ(result.code, 0) << result.err;
  EXPECT_THAT(result.out, AllOf(HasSubstr("domain vocabulary (words.txt)"),
                              HasSubstr("<b>law\\x1B[31m"), Not(HasSubstr("\x1b"))));
  const core::Json profile = json("profile.json");
  EXPECT_EQ(profile["vocabulary"]["source"], "words.txt");
  EXPECT_LT(
      profile["vocabulary"]["deviations"][0]["positions"], profile["deviations"][0]["positions"]);
  EXPECT_EQ(profile["domains"]["domains"].size(), 2U);
  EXPECT_THAT(salf({"show", "profile.json"}).out, HasSubstr("with it       without it"));
  succeeds({"report", "profile.json", "-o", "page.html"});
  EXPECT_THAT(text("page.html"), AllOf(HasSubstr("&lt;b&gt;law\\x1B[31m"), Not(HasSubstr("<b>law")),
                                     HasSubstr("ドメイン語彙")));
  succeeds({"plan", "--profile", "profile.json", "--budget", "60steps", "-o", "plan.json"});
  succeeds({"train", "model", "--data", "domains.jsonl", "--basis-vocabulary", "data", "--budget",
      "4steps", "-o", "run"});
  EXPECT_EQ(json("run/profile.json")["vocabulary"]["source"], "data");
}

}  // namespace
}  // namespace salf::testing
