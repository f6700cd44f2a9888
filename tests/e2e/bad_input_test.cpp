// What goes wrong at a user's: each case has its exit code, says where and what to do, and leaves
// nothing half-written.
#include <gmock/gmock.h>
#include <signal.h>

#include <limits>
#include <thread>

#include "small_world.h"

namespace salf::testing {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using Words = std::vector<std::string>;

constexpr int kUsage = 2, kBadInput = 3, kBadModel = 4, kIo = 5, kBudget = 6;

class BadInput : public SmallWorld {
 protected:
  // Trains on a file of this text.
  ProgramResult train_on(const std::string& data, const Words& more = {}) const {
    write("data.jsonl", data);
    return salf(joined(
        {"train", "model", "--data", "data.jsonl", "--budget", "2steps", "-o", "run"}, more));
  }

  void expect_refused(const ProgramResult& result, int code, const std::string& message) const {
    EXPECT_EQ(result.code, code) << result.err;
    EXPECT_THAT(result.err, HasSubstr(message));
    EXPECT_EQ(result.out, "");
    EXPECT_FALSE(exists("run/run.json"));
    EXPECT_FALSE(exists("run/model.pt"));
  }

  const std::string kGood = R"({"prompt": "a", "completion": " b"})"
                            "\n";
};

TEST_F(BadInput, MissingFiles) {
  expect_refused(
      salf({"train", "model", "--data", "none.jsonl", "--budget", "2steps", "-o", "run"}), kIo,
      "none.jsonl");
  expect_refused(salf({"train", "none", "--data", "rows.jsonl", "--budget", "2steps", "-o", "run"}),
      kIo, "none");
  expect_refused(salf({"plan", "--profile", "none.json", "--budget", "2steps"}), kIo, "none.json");
  expect_refused(salf({"train", "--resume", "none"}), kUsage, "no run to resume");
  std::filesystem::remove(folder_ / "model" / "tokenizer.json");
  expect_refused(salf({"eval", "model", "--data", "rows.jsonl"}), kBadModel, "--tokenizer");
}

TEST_F(BadInput, AGroupOfCommandsIsExplained) {
  for (const Words& words : {Words{"data"}, Words{"data", "--help"}}) {
    const ProgramResult result = salf(words);
    EXPECT_EQ(result.code, words.size() == 1 ? kUsage : 0) << result.err;
    EXPECT_THAT(result.out, HasSubstr("data preview"));
  }
  expect_refused(salf({"data", "review"}), kUsage,
      "unknown command 'data review' (salf data --help lists them)");
}

TEST_F(BadInput, RowsThatCannotBeRead) {
  expect_refused(train_on(""), kBadInput, "data.jsonl");
  expect_refused(train_on(kGood + R"({"prompt": "a", "comple)"), kBadInput, "data.jsonl:2");
  expect_refused(train_on(kGood + kGood + "not json\n"), kBadInput, "data.jsonl:3");
  expect_refused(train_on(kGood + "{\"prompt\": \"\xff\xfe\", \"completion\": \"b\"}\n"), kBadInput,
      "data.jsonl:2");
  expect_refused(train_on(kGood + R"({"foo": 1})" + "\n"), kBadInput, "data.jsonl:2");
  expect_refused(
      train_on(kGood + R"({"prompt": "a", "completion": true})" + "\n"), kBadInput, "data.jsonl:2");
  expect_refused(train_on(std::string("\0\1\2", 3)), kBadInput, "data.jsonl");
}

TEST_F(BadInput, BadRowsAreCountedWhereAskedFor) {
  write("mixed.jsonl", text("rows.jsonl") + "not json\n{\"foo\": 1}\n");
  const ProgramResult result = salf({"eval", "model", "--data", "mixed.jsonl", "--skip-bad"});
  EXPECT_EQ(result.code, 0) << result.err;
  EXPECT_THAT(result.err, HasSubstr("2 bad rows left out"));
}

TEST_F(BadInput, RowsWithoutLossAndLongRows) {
  std::string empty;
  for (int i = 0; i < 30; ++i)
    empty += R"({"prompt": "question )" + std::to_string(i) +
             R"(", "completion": ""})"
             "\n";
  EXPECT_EQ(train_on(empty).code, kBadInput);
  EXPECT_FALSE(exists("run/run.json"));
  write("long.jsonl", text("rows.jsonl") + R"({"text": ")" + std::string(5000, 'x') + "\"}\n");
  expect_refused(salf({"eval", "model", "--data", "long.jsonl", "--long-rows", "refuse"}),
      kBadInput, "long.jsonl:151");
  const ProgramResult cut = salf({"eval", "model", "--data", "long.jsonl"});
  EXPECT_EQ(cut.code, 0) << cut.err;
  EXPECT_THAT(cut.err, HasSubstr("cut to the limit"));
}

TEST_F(BadInput, ContradictionsAreReportedTogether) {
  const ProgramResult result =
      salf({"train", "--eof", "3", "--rule", "max-gain", "--budget", "soon", "--tau", "7"});
  expect_refused(result, kUsage, "--eof 3 contradicts --rule max-gain");
  EXPECT_THAT(result.err, AllOf(HasSubstr("soon"), HasSubstr("tau"), HasSubstr("a model is needed"),
                              HasSubstr("--data FILE is needed")));
  expect_refused(salf({"train", "model", "--bugdet", "2h"}), kUsage, "--budget");
  expect_refused(salf({"tarin"}), kUsage, "train");
  write("config.json", R"({"bugdet": "2h"})");
  expect_refused(salf({"train", "model", "--config", "config.json"}), kBadInput, "bugdet");
}

TEST_F(BadInput, BudgetsThatPayForNothing) {
  const auto with_budget = [this](const char* budget) {
    return salf({"train", "model", "--data", "rows.jsonl", "--budget", budget, "-o", "run"});
  };
  for (const char* budget : {"0.001%", "1tokens"})
    expect_refused(with_budget(budget), kBudget, "smallest budget");
  // Before anything long starts.
  expect_refused(with_budget("0.05s"), kBudget, "before anything was measured");
  expect_refused(with_budget("10FLOP"), kBudget, "would be over with the analysis");
}

TEST_F(BadInput, OutputFoldersOfOthers) {
  std::filesystem::create_directory(folder_ / "mine");
  write("mine/thesis.txt", "three years of work");
  const ProgramResult result = salf(
      {"train", "model", "--data", "rows.jsonl", "--budget", "2steps", "-o", "mine", "--force"});
  expect_refused(result, kUsage, "holds other files");
  EXPECT_EQ(text("mine/thesis.txt"), "three years of work");
  expect_refused(salf({"plan", "--profile", "model/salf.json", "--budget", "2steps", "-o",
                     "mine/thesis.txt", "--force"}),
      kUsage, "something else");
  EXPECT_EQ(text("mine/thesis.txt"), "three years of work");
}

TEST_F(BadInput, AnOutputFolderInUse) {
  ProgramSetting setting;
  ProgramResult second;
  setting.while_it_runs = [&](pid_t first) {
    while (!exists("run/.salf.lock")) std::this_thread::yield();
    second = salf(
        {"train", "model", "--data", "rows.jsonl", "--budget", "2steps", "-o", "run", "--force"});
    ::kill(first, SIGTERM);
  };
  salf({"train", "model", "--data", "rows.jsonl", "--budget", "100000steps", "-o", "run"}, setting);
  EXPECT_EQ(second.code, kIo);
  EXPECT_THAT(second.err, HasSubstr("another run is writing to this folder"));
}

TEST_F(BadInput, AFullDisk) {
  ProgramSetting full;
  full.file_size_limit = 20'000;  // room for the small files, not for the model
  const ProgramResult result =
      salf({"train", "model", "--data", "rows.jsonl", "--budget", "2steps", "-o", "run"}, full);
  EXPECT_EQ(result.code, kIo) << result.err;
  EXPECT_FALSE(exists("run/model.pt"));
  for (const auto& entry : std::filesystem::directory_iterator(folder_ / "run")) {
    EXPECT_LE(entry.file_size(), 20'000U) << entry.path();
    EXPECT_THAT(entry.path().extension().string(), ::testing::AnyOf(".json", ".jsonl"))
        << entry.path();
  }
  ProgramSetting no_room_on_stdout;
  no_room_on_stdout.out = "/dev/full";
  EXPECT_EQ(salf({"eval", "model", "--data", "rows.jsonl", "--json"}, no_room_on_stdout).code, kIo);
}

TEST_F(BadInput, ModelsThatAreNone) {
  const auto inspect = [this](const std::string& bytes) {
    write("broken.pt", bytes);
    return salf({"inspect", "broken.pt"});
  };
  const std::string whole = text("model/model.pt");
  expect_refused(inspect(""), kBadModel, "broken.pt");
  expect_refused(inspect("not an archive"), kBadModel, "broken.pt");
  expect_refused(inspect(whole.substr(0, whole.size() / 2)), kBadModel, "broken.pt");
  write("broken.gguf", "GGUF or so");
  expect_refused(salf({"import", "broken.gguf", "-o", "imported"}), kBadModel, "broken.gguf");
  EXPECT_FALSE(exists("imported"));
}

TEST_F(BadInput, ATokenizerOfAnotherModel) {
  write_model("small.pt", 100);
  expect_refused(
      salf({"eval", "small.pt", "--tokenizer", "model/tokenizer.json", "--data", "rows.jsonl"}),
      kBadInput, "for which the model has no row");
}

TEST_F(BadInput, AModelThatIsNotFinite) {
  fill_parameter("model.layers.1.mlp.down_proj.weight", std::numeric_limits<double>::quiet_NaN());
  expect_refused(
      salf({"train", "model", "--data", "rows.jsonl", "--budget", "2steps", "-o", "run"}),
      kBadModel, "not finite");
}

TEST_F(BadInput, ARunThatDivergesKeepsTheLastGoodWeights) {
  fill_parameter("model.norm.weight",
      1e30);  // the loss is finite, the square of its gradient is not
  const ProgramResult result = salf(
      {"train", "model", "--data", "rows.jsonl", "--budget", "9steps", "--eof", "2", "-o", "run"});
  EXPECT_EQ(result.code, kBadModel) << result.err;
  EXPECT_THAT(result.err, HasSubstr("diverged"));
  const core::Json run = json("run/run.json");
  EXPECT_EQ(run["status"], "diverged");
  EXPECT_EQ(run["steps"], 0);
  const auto loss = [this](const std::string& model) {
    const ProgramResult eval = salf({"eval", model, "--data", "rows.jsonl", "--json"});
    EXPECT_EQ(eval.code, 0) << eval.err;
    return core::parse_json(eval.out, "eval")["tokens"]["loss"]["value"].get<double>();
  };
  EXPECT_EQ(loss("run"), loss("model"));
}

TEST_F(BadInput, DomainVocabulariesThatNameNothing) {
  const auto analyze = [this](const std::string& words) {
    write("words.txt", words);
    return salf({"analyze", "model", "--data", "rows.jsonl", "--basis-vocabulary", "words.txt",
        "-o", "profile.json"});
  };
  expect_refused(analyze(""), kBadInput, "no words");
  expect_refused(
      analyze("thing\n123456\n"), kBadInput, "words.txt:2: expected a token id from 0 to");
  expect_refused(analyze("zzzz\n"), kBadInput, "--basis-vocabulary: only 0 positions");
  expect_refused(analyze("[\"thing\", {}]"), kBadInput, "words.txt: [1]");
  expect_refused(
      salf({"analyze", "model", "--data", "rows.jsonl", "--basis-vocabulary", "none.txt"}), kIo,
      "none.txt");
  EXPECT_FALSE(exists("profile.json"));
  expect_refused(salf({"train", "model", "--data", "rows.jsonl", "--budget", "2steps", "-o", "run",
                     "--basis-vocabulary", "data", "--plan", "plan.json"}),
      kUsage, "--basis-vocabulary belongs to the analysis");
}

TEST_F(BadInput, GatesPilotsAndStagesThatMakeNoSense) {
  const auto train = [this](const Words& more) {
    return salf(joined(
        {"train", "model", "--data", "rows.jsonl", "--budget", "2steps", "-o", "run"}, more));
  };
  expect_refused(train({"--gate", "dev_loss<1"}), kUsage, "there is no <= and no >=");
  expect_refused(train({"--gate", "speed<=1"}), kUsage, "the metric is not known");
  expect_refused(
      train({"--gate", "dev_loss<=1", "--gate", "dev_loss>=2"}), kUsage, "contradict each other");
  expect_refused(train({"--gate", "dev_loss<=1", "--dev-share", "0"}), kUsage, "no dev documents");
  expect_refused(
      train({"--stages", "2", "--lora", "r=4"}), kUsage, "--stages unfreezes whole blocks");
  expect_refused(train({"--stages", "0"}), kUsage, "stages");
  expect_refused(salf({"train", "model", "--data", "rows.jsonl", "--budget", "40%", "--stages", "2",
                     "-o", "run"}),
      kUsage, "--stages needs a budget in time");
  expect_refused(salf({"train", "model", "--data", "rows.jsonl", "--plan", "plan.json", "--stages",
                     "2", "-o", "run"}),
      kUsage, "give --stages to salf plan");
  expect_refused(train({"--pilot", "0%"}), kUsage, "--pilot: expected a share");
  expect_refused(train({"--pilot", "5%", "--keep-cache"}), kUsage, "leave out --keep-cache");
  expect_refused(salf({"train", "model", "--data", "rows.jsonl", "--plan", "plan.json", "--pilot",
                     "5%", "-o", "run"}),
      kUsage, "leave out --plan");
}

}  // namespace
}  // namespace salf::testing
