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
  for (const RankResult& result : ranks(2, train("1Wh", "run", {"--watts", "50"})))
    EXPECT_THAT(result.err, HasSubstr("energy or money")) << result.err;
}

}  // namespace
}  // namespace salf::testing
