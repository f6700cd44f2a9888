// What a model writes: salf generate, salf eval --generate, and the answers of a run.
#include <gmock/gmock.h>

#include "small_world.h"

namespace salf::testing {
namespace {

using ::testing::HasSubstr;
using GenerateTest = SmallWorld;

TEST_F(GenerateTest, WritesTheTextOfEachPrompt) {
  write("prompts.txt", "What is a patch?\n\nWhat is a core?");
  ProgramSetting setting;
  setting.in = (folder_ / "prompts.txt").string();
  const ProgramResult made =
      salf({"generate", "model", "-", "-n", "12", "--dtype", "f32", "--json"}, setting);
  ASSERT_EQ(made.code, 0) << made.err;
  const core::Json json = core::parse_json(made.out, "stdout");
  EXPECT_EQ(json["schema"], "salf.generate/1");
  EXPECT_TRUE(json["cached"]);
  ASSERT_EQ(json["answers"].size(), 2U);
  EXPECT_EQ(json["answers"][1]["prompt"], "What is a core?");
  EXPECT_EQ(json["answers"][1]["answer"]["tokens"], 12);
  EXPECT_EQ(json["answers"][1]["answer"]["end"], "length");

  const ProgramResult beside = salf({"generate", "model", "--data", "rows.jsonl", "--rows", "2",
      "-n", "30", "--temperature", "3", "--beside", "model"});
  ASSERT_EQ(beside.code, 0) << beside.err;
  EXPECT_THAT(beside.out, HasSubstr("> What is hack 1?\n= "));
  EXPECT_THAT(beside.out, HasSubstr("model:\n"));
  for (const char byte : beside.out)  // whatever the model writes
    EXPECT_TRUE(byte == '\n' || static_cast<unsigned char>(byte) >= 0x20) << int{byte};
}

TEST_F(GenerateTest, AnswersHeldOutRowsBeforeAndAfterARun) {
  succeeds({"train", "model", "--data", "rows.jsonl", "--budget", "20steps", "--eof", "1", "-o",
      "run", "--batch-tokens", "256", "--learning-rate", "3e-3", "--answers", "2"});
  const core::Json answers = json("run/answers.json");
  ASSERT_EQ(answers["answers"].size(), 2U);
  EXPECT_THAT(answers["answers"][0]["reference"].get<std::string>(), HasSubstr("A thing that"));
  EXPECT_NE(answers["answers"][0]["before"], answers["answers"][0]["after"]);

  succeeds({"report", "run", "-o", "page.html"});
  EXPECT_THAT(text("page.html"), HasSubstr("Answers to held-out prompts"));

  const ProgramResult scored = salf({"eval", "run", "--data", "rows.jsonl", "--split", "test",
      "--generate", "--generate-rows", "3", "-n", "8", "-o", "eval.json"});
  ASSERT_EQ(scored.code, 0) << scored.err;
  EXPECT_THAT(scored.out, HasSubstr("exact match"));
  const core::Json eval = json("eval.json");
  EXPECT_EQ(eval["generation"]["rows"], 3);
  EXPECT_EQ(eval["answers"].size(), 3U);
}

}  // namespace
}  // namespace salf::testing
