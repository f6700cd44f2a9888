// The program as torchrun starts it: one process for each rank.
#include "support/ranks.h"

#include <gmock/gmock.h>
#include <signal.h>

#include <chrono>
#include <set>
#include <thread>

#include "small_world.h"

namespace salf::testing {
namespace {

using ::testing::HasSubstr;
using Words = std::vector<std::string>;

class RanksTest : public SmallWorld {
 protected:
  std::string path(const std::string& name) const { return folder_ / name; }

  Words train(const std::string& budget, const std::string& output, const Words& more = {}) const {
    return joined({"train", path("model"), "--data", path("rows.jsonl"), "--budget", budget, "-o",
                      path(output), "--batch-tokens", "256", "--eof", "1", "--learning-rate",
                      "1e-3", "--checkpoint-steps", "2"},
        more);
  }

  static std::vector<RankResult> ranks(
      int count, const Words& words, const RankSetting& setting = {}) {
    return run_ranks(count, joined({SALF_BINARY}, words), setting);
  }

  // Signals a rank once the run has a checkpoint that it does not have now.
  RankSetting signal_rank(std::size_t rank, int number, const std::string& run) const {
    RankSetting setting;
    setting.while_running = [this, rank, number, run, before = checkpoints(run)](
                                const std::vector<pid_t>& processes) {
      for (int tries = 0; tries < 6000 && checkpoints(run) == before; ++tries)
        std::this_thread::sleep_for(std::chrono::milliseconds(10));
      ::kill(processes[rank], number);
    };
    return setting;
  }

  std::set<std::string> checkpoints(const std::string& run) const {
    std::set<std::string> names;
    if (!exists(run)) return names;
    for (const auto& file : std::filesystem::directory_iterator(path(run))) {
      const std::string name = file.path().filename().string();
      if (name.rfind("checkpoint-", 0) == 0 && file.path().extension() == ".safetensors")
        names.insert(name);
    }
    return names;
  }
};

TEST_F(RanksTest, TrainAndEvaluateAsOne) {
  const auto trained = ranks(2, train("6steps", "run"));
  for (const RankResult& result : trained) EXPECT_EQ(result.code, 0) << result.err;
  EXPECT_EQ(trained[1].out, "") << "only the first prints";
  const core::Json run = json("run/run.json");
  EXPECT_EQ(run["status"], "finished");
  EXPECT_EQ(run["plan"]["shards"], 2);
  EXPECT_EQ(run["plan"]["accumulate"], 2);
  EXPECT_LT(run["best"]["loss"].get<double>(), run["before"]["loss"].get<double>());

  const Words eval = {"eval", path("run"), "--data", path("rows.jsonl"), "--json"};
  const core::Json one = core::parse_json(salf(eval).out, "one");
  const auto evaluated = ranks(2, eval);
  const core::Json two = core::parse_json(evaluated[0].out, "two");
  EXPECT_EQ(evaluated[1].out, "");
  for (const char* figure : {"loss", "perplexity", "accuracy"}) {
    for (const auto& [name, value] : one["tokens"][figure].items())
      EXPECT_NEAR(value.get<double>(), two["tokens"][figure][name].get<double>(), 1e-9) << figure;
  }
}

TEST_F(RanksTest, NameTheOneThatWasKilledAndResumeWithout) {
  const auto results =
      ranks(2, train("100000steps", "run", {"--patience", "0"}), signal_rank(1, SIGKILL, "run"));
  EXPECT_EQ(results[0].code, 5);
  EXPECT_THAT(results[0].err, HasSubstr("rank 1 on "));
  ASSERT_FALSE(checkpoints("run").empty());
  const auto resumed = ranks(2, {"train", "--resume", path("run")}, signal_rank(1, SIGTERM, "run"));
  for (const RankResult& result : resumed) EXPECT_EQ(result.code, 128 + SIGTERM) << result.err;
  EXPECT_EQ(json("run/run.json")["status"], "interrupted");
  const auto three = ranks(3, {"train", "--resume", path("run")});
  EXPECT_EQ(three[0].code, 2);
  EXPECT_THAT(three[0].err, HasSubstr("2 shards"));
}

TEST_F(RanksTest, GoOnAfterTheLauncherStartsThemAgain) {
  const Words words = train("40steps", "run", {"--patience", "0"});
  ranks(2, words, signal_rank(0, SIGKILL, "run"));
  RankSetting setting;
  setting.variables["TORCHELASTIC_RESTART_COUNT"] = "1";
  for (const RankResult& result : ranks(2, words, setting)) EXPECT_EQ(result.code, 0) << result.err;
  const core::Json run = json("run/run.json");
  EXPECT_EQ(run["status"], "finished");
  EXPECT_EQ(run["steps"], 40);
}

TEST_F(RanksTest, RefuseWhatDiffersAndWhatIsForOneProcess) {
  RankSetting setting;
  setting.more[1] = {"--seed", "2"};
  for (const RankResult& result : ranks(2, train("6steps", "run"), setting)) {
    EXPECT_EQ(result.code, 2);
    EXPECT_THAT(result.err, HasSubstr("rank 1 differs from rank 0 in --seed: 2 instead of 1"));
  }
  for (const RankResult& result : ranks(2, {"show", path("model")})) {
    EXPECT_EQ(result.code, 2);
    EXPECT_THAT(result.err, HasSubstr("one process"));
  }
}

// Every number of `one` is that of `two` to 1e-9; keys in `own` are each process's.
void expect_same_figures(const core::Json& one, const core::Json& two, const std::string& where,
    const std::set<std::string>& own) {
  ASSERT_EQ(one.type(), two.type()) << where;
  ASSERT_EQ(one.size(), two.size()) << where;
  if (one.is_number_float()) {
    EXPECT_NEAR(one.get<double>(), two.get<double>(), 1e-9) << where;
  } else if (!one.is_structured()) {
    EXPECT_EQ(one, two) << where;
  }
  if (!one.is_structured()) return;
  for (const auto& [key, value] : one.items()) {
    if (own.count(key) > 0) continue;
    const core::Json& other = one.is_object() ? two.at(key) : two.at(std::stoul(key));
    expect_same_figures(value, other, where + "/" + key, own);
  }
}

TEST_F(RanksTest, MeasureThePlanAndItsLayersAsOne) {
  const auto analyze = [this](const std::string& output) {
    return Words{"analyze", path("model"), "--data", path("rows.jsonl"), "-o", path(output),
        "--batch-tokens", "128", "--basis-vocabulary", "data", "--quiet"};
  };
  succeeds(analyze("one.json"));
  for (const RankResult& result : ranks(2, analyze("two.json")))
    EXPECT_EQ(result.code, 0) << result.err;
  expect_same_figures(
      json("one.json"), json("two.json"), "", {"created", "seconds", "forward_seconds", "threads"});

  const auto planned = ranks(2, {"plan", "--profile", path("one.json"), "--budget", "1Wh", "-o",
                                    path("plan.json"), "--watts", "50", "--batch-tokens", "128"});
  for (const RankResult& result : planned) EXPECT_EQ(result.code, 0) << result.err;
  const core::Json plan = json("plan.json");
  EXPECT_NEAR(plan["budget_seconds"].get<double>(), 72.0, 1e-9) << "one machine draws 50 W";
  EXPECT_THAT(plan["rates"]["watts_basis"].get<std::string>(), HasSubstr("2 ranks on 1 machine"));
  EXPECT_EQ(plan["shards"], 2);
  EXPECT_GT(plan["cost"]["exchange"].get<double>(), 0.0);
}

// The untuned model's losses are those of one process, and the arms are trained together.
TEST_F(RanksTest, BenchTogether) {
  const Words bench = {"bench", path("model"), "--data", path("rows.jsonl"), "--batch-tokens",
      "256", "--documents", "8", "--stability", "0", "--dev-documents", "8", "--arms", "cut:2",
      "--minutes", "0.004", "--minutes", "0.005", "-o", path("bench")};
  const auto results = ranks(2, bench);
  for (const RankResult& result : results) ASSERT_EQ(result.code, 0) << result.err;
  EXPECT_EQ(results[1].out, "");
  const core::Json rows = json("bench/bench.json")["rows"];
  ASSERT_EQ(rows.size(), 3U);
  for (std::size_t i = 1; i < rows.size(); ++i) {
    SCOPED_TRACE(rows[i].dump());
    EXPECT_LT(rows[i]["test_loss"].get<double>(), rows[0]["test_loss"].get<double>());
    EXPECT_LE(rows[i]["virtual_seconds"].get<double>(), 60.0 * rows[i]["minutes"].get<double>());
  }
  const core::Json untuned = core::parse_json(
      salf({"eval", "model", "--data", "rows.jsonl", "--split", "test", "--json"}).out, "untuned");
  EXPECT_NEAR(
      rows[0]["test_loss"].get<double>(), untuned["tokens"]["loss"]["value"].get<double>(), 1e-9);
  const ProgramResult alone = salf(bench);
  EXPECT_EQ(alone.code, 2);
  EXPECT_THAT(alone.err, HasSubstr("another ranks (2, now 1)"));
}

TEST_F(RanksTest, RunTrialsTogether) {
  const auto results =
      ranks(2, {"trial", path("model"), "--data", path("rows.jsonl"), "--steps", "6", "--arms",
                   "full", "--arms", "cut:2", "-o", path("trials.json")});
  for (const RankResult& result : results) EXPECT_EQ(result.code, 0) << result.err;
  EXPECT_EQ(results[1].out, "");
  const core::Json trials = json("trials.json");
  ASSERT_EQ(trials["arms"].size(), 2U);
  EXPECT_GT(trials["arms"][0]["gain"].get<double>(), 0.0);
}

}  // namespace
}  // namespace salf::testing
