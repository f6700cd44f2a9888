// What is said about runs: report, show, compare, and the metrics of train.
#include <gmock/gmock.h>
#include <signal.h>
#include <sys/wait.h>

#include <chrono>
#include <cstdlib>
#include <thread>

#include "small_world.h"

namespace salf::testing {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;
using Words = std::vector<std::string>;

class ReportTest : public SmallWorld {
 protected:
  void train(const std::string& output, const Words& more = {}) const {
    succeeds(joined({"train", "model", "--data", "rows.jsonl", "--budget", "30steps", "-o", output,
                        "--batch-tokens", "256", "--min-steps", "5", "--learning-rate", "3e-3"},
        more));
  }
  Words evaluate(const std::string& model, const std::string& output) const {
    return {"eval", model, "--data", "rows.jsonl", "--split", "test", "-o", output};
  }
  // Until `part` stands in the file.
  bool wait_for(const std::string& file, const std::string& part = "") const {
    const auto stands = [&] { return exists(file) && text(file).find(part) != std::string::npos; };
    for (int tries = 0; tries < 60000 && !stands(); ++tries)
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
    return stands();
  }
};

TEST_F(ReportTest, ExplainsARunOnOnePage) {
  train("run");
  train("full", {"--eof", "0"});
  const ProgramResult result = salf({"report", "run", "full", "-o", "report.html", "--lang", "ja"});
  ASSERT_EQ(result.code, 0) << result.err;
  const std::string page = text("report.html");
  EXPECT_THAT(page, HasSubstr("data-lang=\"ja\""));
  const core::Json run = json("run/run.json");
  EXPECT_THAT(page,
      HasSubstr("<data value=\"" + run["best"]["loss"].dump() + "\" data-json=\"run.best.loss\">"));
  EXPECT_THAT(page, HasSubstr(run["provenance"]["data_hash"].get<std::string>()));

  EXPECT_EQ(salf({"report", "run", "-o", "report.html"}).code, 2);  // there already
  EXPECT_EQ(text("report.html"), page);
  succeeds({"report", "run", "-o", "report.html", "--force"});
  write("notes.txt", "mine");
  EXPECT_EQ(salf({"report", "run", "-o", "notes.txt", "--force"}).code, 2);
  EXPECT_EQ(text("notes.txt"), "mine");
}

TEST_F(ReportTest, ABadRunLeavesTheOldPageAsItWas) {
  train("run");
  succeeds({"report", "run", "-o", "report.html"});
  const std::string page = text("report.html");
  core::Json run = json("run/run.json");
  run["status"] = "running";
  write("run/run.json", run.dump());
  const ProgramResult running = salf({"report", "run", "-o", "report.html", "--force"});
  EXPECT_EQ(running.code, 3);
  EXPECT_THAT(running.err, HasSubstr("salf report --follow run"));
  run["schema"] = "salf.run/99";
  write("run/run.json", run.dump());
  const ProgramResult newer = salf({"report", "run", "-o", "report.html", "--force"});
  EXPECT_EQ(newer.code, 3);
  EXPECT_THAT(newer.err, HasSubstr("newer salf"));
  EXPECT_EQ(salf({"report", "nothing", "-o", "report.html", "--force"}).code, 5);
  EXPECT_EQ(text("report.html"), page);
}

TEST_F(ReportTest, FollowsARunUntilItEnds) {
  ProgramSetting setting;
  setting.while_it_runs = [this](pid_t process) {
    if (!wait_for("run/metrics.jsonl")) return;
    ProgramSetting inner;
    inner.out = (folder_ / "followed").string();
    inner.while_it_runs = [this, process](pid_t) {
      wait_for("followed", "\n");
      ::kill(process, SIGINT);  // the run ends; the follower ends by itself
    };
    const ProgramResult followed = salf({"report", "--follow", "run"}, inner);
    EXPECT_EQ(followed.code, 0) << followed.err;
    EXPECT_THAT(text("followed"), HasSubstr("http://127.0.0.1:"));
  };
  salf({"train", "model", "--data", "rows.jsonl", "--budget", "100000steps", "--max-epochs",
           "100000", "-o", "run", "--patience", "0"},
      setting);
}

TEST_F(ReportTest, ShowsEachDocumentWithinEightyColumns) {
  train("run");
  succeeds(evaluate("run", "eval.json"));
  for (const char* file :
      {"run", "run/run.json", "run/profile.json", "run/plan.json", "eval.json"}) {
    const ProgramResult shown = salf({"show", file});
    ASSERT_EQ(shown.code, 0) << file << shown.err;
    EXPECT_FALSE(shown.out.empty());
    EXPECT_THAT(shown.out, Not(HasSubstr("\033"))) << file;
    std::istringstream lines(shown.out);
    for (std::string line; std::getline(lines, line);)
      EXPECT_LE(line.size(), 82U) << line;  // "…" has three bytes
  }
  EXPECT_EQ(core::parse_json(salf({"show", "run", "--json"}).out, "show")["status"], "finished");
  EXPECT_EQ(salf({"show", "rows.jsonl"}).code, 3);
  EXPECT_EQ(salf({"show", "nothing"}).code, 5);
}

TEST_F(ReportTest, ComparesRunsAndEvaluationsForCi) {
  train("run");
  succeeds(evaluate("model", "before.json"));
  succeeds(evaluate("run", "after.json"));
  EXPECT_EQ(salf({"compare", "before.json", "after.json"}).code, 0);
  EXPECT_EQ(salf({"compare", "before.json", "before.json"}).code, 0);
  const ProgramResult worse =
      salf({"compare", "after.json", "before.json", "--junit", "compare.xml"});
  EXPECT_EQ(worse.code, 1) << worse.err;
  EXPECT_THAT(worse.out, HasSubstr("REGRESSION"));
  EXPECT_THAT(worse.out, HasSubstr("paired over"));
  EXPECT_THAT(text("compare.xml"), HasSubstr("failures=\"1\""));
  EXPECT_EQ(salf({"compare", "after.json", "before.json", "--max-loss-increase", "100"}).code, 0);

  const ProgramResult same = salf({"compare", "run", "run", "--max-accuracy-decrease", "0.01",
      "--max-time-increase", "10%", "--json"});
  EXPECT_EQ(same.code, 0) << same.err;
  EXPECT_EQ(core::parse_json(same.out, "compare")["regression"], false);
  EXPECT_EQ(salf({"compare", "run", "after.json"}).code, 3);
  EXPECT_EQ(salf({"compare", "run", "nothing"}).code, 5);
  EXPECT_EQ(salf({"compare", "run", "run", "--max-time-increase", "-3%"}).code, 2);
}

TEST_F(ReportTest, TheCiExampleIsAWholeJob) {
  train("accepted");
  write("limits.json", "{\"max_loss_increase\": \"1%\"}");
  const std::string script = std::string(SALF_TEST_DATA) + "/../../tools/ci-example/check-quality";
  const std::string command = "cd '" + folder_.path().string() +
                              "' && SALF='" SALF_BINARY
                              "' SALF_LIMITS=limits.json SALF_BUDGET=3steps '" +
                              script + "' model rows.jsonl accepted out > log 2>&1";
  const int status = std::system(command.c_str());
  EXPECT_EQ(WEXITSTATUS(status), 1) << text("log");  // 3 steps are worse than 30
  EXPECT_TRUE(exists("out/report.html"));
  EXPECT_THAT(text("out/compare.xml"), HasSubstr("<failure"));
}

TEST_F(ReportTest, TakesLimitsFromAFileAndRefusesContradictions) {
  train("run");
  write("limits.json", "{\"max_loss_increase\": 0.01, \"max_time_increase\": \"10%\"}");
  EXPECT_EQ(salf({"compare", "run", "run", "--limits", "limits.json"}).code, 0);
  EXPECT_EQ(
      salf({"compare", "run", "run", "--limits", "limits.json", "--max-loss-increase", "0.01"})
          .code,
      0);
  const ProgramResult contradiction =
      salf({"compare", "run", "run", "--limits", "limits.json", "--max-loss-increase", "0.02"});
  EXPECT_EQ(contradiction.code, 2);
  EXPECT_THAT(contradiction.err, HasSubstr("contradicts"));
  write("limits.json", "{\"max_los_increase\": 0.01}");
  EXPECT_EQ(salf({"compare", "run", "run", "--limits", "limits.json"}).code, 3);
}

TEST_F(ReportTest, AResumedRunKeepsItsDevLosses) {
  ProgramSetting setting;
  setting.while_it_runs = [this](pid_t process) {
    if (wait_for("run/dev_losses.json")) ::kill(process, SIGINT);
  };
  const ProgramResult stopped = salf({"train", "model", "--data", "rows.jsonl", "--budget",
                                         "60steps", "-o", "run", "--min-steps", "5"},
      setting);
  ASSERT_EQ(stopped.code, 128 + SIGINT) << stopped.err;
  succeeds({"train", "--resume", "run", "--tensorboard", "logs", "--metrics-port", "0"});
  const core::Json losses = json("run/dev_losses.json");
  EXPECT_EQ(losses["best_step"], json("run/run.json")["best"]["step"]);
  EXPECT_EQ(losses["before_step"], 0);
  EXPECT_FALSE(losses["before"]["documents"].empty());
}

TEST_F(ReportTest, WritesTensorBoardsFiles) {
  train("run", {"--tensorboard", "logs"});
  std::size_t files = 0;
  for (const auto& entry : std::filesystem::directory_iterator(folder_ / "logs")) {
    EXPECT_THAT(entry.path().filename().string(), HasSubstr("events.out.tfevents."));
    EXPECT_GT(entry.file_size(), 30 * 100U);
    ++files;
  }
  EXPECT_EQ(files, 1U);
  EXPECT_THAT(json("run/run.json")["options"].dump(),
      Not(HasSubstr("logs")));  // no part of what a run is
  write("file", "");
  EXPECT_EQ(
      salf({"train", "model", "--data", "rows.jsonl", "-o", "other", "--tensorboard", "file/logs"})
          .code,
      5);
}

}  // namespace
}  // namespace salf::testing
