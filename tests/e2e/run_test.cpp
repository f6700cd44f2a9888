// The main job from the command line: every stage, every budget, interruption and repetition.
#include <gmock/gmock.h>
#include <signal.h>

#include <chrono>
#include <sstream>
#include <thread>

#include "small_world.h"

namespace salf::testing {
namespace {

using ::testing::HasSubstr;
using Words = std::vector<std::string>;

class RunTest : public SmallWorld {
 protected:
  Words train(const std::string& budget, const std::string& output, const Words& more = {}) const {
    return joined({"train", "model", "--data", "rows.jsonl", "--budget", budget, "-o", output,
                      "--batch-tokens", "256", "--min-steps", "5"},
        more);
  }

  // The losses of the steps in a run's metrics.jsonl.
  std::vector<double> losses(const std::string& run) const {
    std::vector<double> losses;
    std::istringstream lines(text(run + "/metrics.jsonl"));
    for (std::string line; std::getline(lines, line);) {
      const core::Json step = core::parse_json(line, run);
      if (step.contains("loss")) losses.push_back(step["loss"].get<double>());
    }
    return losses;
  }

  // Sends the signal once the run has done some steps.
  ProgramSetting stop_after_steps(const std::string& run, int signal) const {
    ProgramSetting setting;
    setting.while_it_runs = [this, run, signal](pid_t process) {
      for (int tries = 0; tries < 30000; ++tries) {
        std::this_thread::sleep_for(std::chrono::milliseconds(10));
        if (exists(run + "/metrics.jsonl") && losses(run).size() >= 5) break;
      }
      ::kill(process, signal);
    };
    return setting;
  }
};

TEST_F(RunTest, EachStageByItself) {
  succeeds({"inspect", "model"});
  succeeds({"analyze", "model", "--data", "rows.jsonl", "-o", "profile.json"});
  succeeds({"plan", "--profile", "profile.json", "--budget", "60steps", "--learning-rate", "3e-3",
      "-o", "plan.json"});
  succeeds({"train", "model", "--data", "rows.jsonl", "--plan", "plan.json", "-o", "run"});
  const core::Json run = json("run/run.json");
  EXPECT_EQ(run["status"], "finished");
  EXPECT_EQ(run["steps"], 60);
  EXPECT_EQ(run["plan"]["eof"], json("plan.json")["eof"]);
  EXPECT_LT(run["best"]["loss"].get<double>(), run["before"]["loss"].get<double>() - 0.1);
  EXPECT_FALSE(exists("run/checkpoint.safetensors"));

  const ProgramResult before =
      salf({"eval", "model", "--data", "rows.jsonl", "--split", "test", "--json"});
  const ProgramResult after =
      salf({"eval", "run", "--data", "rows.jsonl", "--split", "test", "--json"});
  ASSERT_EQ(after.code, 0) << after.err;
  const auto loss = [](const ProgramResult& result) {
    return core::parse_json(result.out, "eval")["tokens"]["loss"]["value"].get<double>();
  };
  EXPECT_LT(loss(after), loss(before) - 0.1);
}

TEST_F(RunTest, PredictedLossesRestOnTheDevDocumentsNotOnTheSample) {
  std::vector<double> predicted;
  for (const char* documents : {"8", "24"}) {
    const std::string run = std::string("run") + documents;
    succeeds(train("60steps", run, {"--documents", documents, "--stability", "0", "--eof", "2"}));
    const core::Json record = json(run + "/run.json");
    EXPECT_EQ(record["plan"]["loss_before"], record["before"]["loss"]);
    const core::Json profile = json(run + "/profile.json");
    EXPECT_NE(profile["loss_before"]["loss"], record["before"]["loss"]);
    predicted.push_back(record["plan"]["candidates"][2]["loss"]["value"]);
    succeeds({"analyze", "model", "--data", "rows.jsonl", "--documents", documents, "--stability",
        "0", "-o", "profile.json", "--force"});
    succeeds({"plan", "--profile", "profile.json", "--budget", "60steps", "--batch-tokens", "256",
        "-o", "plan.json", "--force"});
    EXPECT_EQ(json("plan.json")["loss_before"], record["before"]["loss"]);
  }
  EXPECT_DOUBLE_EQ(predicted[0], predicted[1]);
}

TEST_F(RunTest, TrainAloneRunsTheWholeChain) {
  const ProgramResult result =
      salf({"train", "model", "--data", "rows.jsonl", "--budget", "3epochs"});
  ASSERT_EQ(result.code, 0) << result.err;
  EXPECT_THAT(result.out, HasSubstr("max-gain"));
  for (const char* file : {"model.pt", "tokenizer.json", "salf.json", "profile.json", "plan.json",
           "run.json", "metrics.jsonl"}) {
    EXPECT_TRUE(exists(std::string("run/") + file)) << file;
  }
  // The same again would replace it.
  EXPECT_EQ(salf({"train", "model", "--data", "rows.jsonl", "--budget", "3epochs"}).code, 2);
}

TEST_F(RunTest, AGivenCutAndStepsNeedNoAnalysisAndNoTiming) {
  const ProgramResult result = salf(train("20steps", "run", {"--eof", "2"}));
  ASSERT_EQ(result.code, 0) << result.err;
  EXPECT_THAT(result.out, HasSubstr("no time, since no step was timed"));
  EXPECT_FALSE(exists("run/profile.json"));
  const core::Json plan = json("run/plan.json");
  EXPECT_EQ(plan["cost"]["timed_batches"], 0);
  for (const auto& part : plan["predicted_seconds"].items()) EXPECT_EQ(part.value(), 0.0);
  EXPECT_FALSE(plan.contains("footprint"));
  EXPECT_EQ(plan["choices"].size(), 1U);
  EXPECT_GT(plan["predicted_flops"]["backward"], 0.0);
  EXPECT_THAT(salf({"show", "run"}).out, HasSubstr("together"));
  succeeds({"report", "run", "-o", "page.html"});
  EXPECT_THAT(text("page.html"), HasSubstr("its layers were not measured"));
  EXPECT_THAT(text("page.html"), HasSubstr("no step was timed"));

  succeeds(train("20steps", "full", {"--eof", "2", "--full-evidence"}));
  EXPECT_TRUE(exists("full/profile.json"));
  EXPECT_GT(json("full/plan.json")["cost"]["timed_batches"], 0);
  EXPECT_EQ(losses("full"), losses("run"));
  EXPECT_EQ(parameters("full/model.pt"), parameters("run/model.pt"));
}

TEST_F(RunTest, AProfileThatOnlyTheReportNeedsIsMeasuredAfterTheRun) {
  ProgramSetting setting;
  setting.while_it_runs = [this](pid_t /*process*/) {
    for (int tries = 0; tries < 30000 && !exists("run/metrics.jsonl"); ++tries)
      std::this_thread::sleep_for(std::chrono::milliseconds(2));
    EXPECT_FALSE(exists("run/profile.json"));
  };
  const ProgramResult result = salf(train("60steps", "run"), setting);
  ASSERT_EQ(result.code, 0) << result.err;
  succeeds(train("60steps", "full", {"--full-evidence"}));
  core::Json after = json("run/profile.json"), before = json("full/profile.json");
  for (core::Json* profile : {&after, &before}) {
    for (const char* key : {"provenance", "seconds", "forward_seconds"}) profile->erase(key);
  }
  EXPECT_EQ(after, before);
  for (const char* file : {"run/plan.json", "run/run.json"}) {
    const core::Json document = json(file);
    const core::Json& plan = document.contains("plan") ? document["plan"] : document;
    const core::Json choices = json("full/plan.json")["choices"];
    ASSERT_EQ(plan["choices"].size(), choices.size()) << file;
    for (std::size_t i = 0; i + 1 < choices.size(); ++i)
      EXPECT_EQ(plan["choices"][i], choices[i]) << file;
  }
}

TEST_F(RunTest, TrialsOfArmsServeThePlan) {
  std::vector<std::string> words{"trial", "model", "--data", "rows.jsonl", "--steps", "6", "--arms",
      "full", "--arms", "cut:2", "--rates", "4"};
  succeeds(words);
  const core::Json trials = json("trials.json");
  ASSERT_EQ(trials["arms"].size(), 2U);
  EXPECT_GT(trials["arms"][0]["gain"], 0.0);
  EXPECT_NEAR(trials["arms"][1]["delta"].get<double>(),
      trials["arms"][1]["loss"].get<double>() - trials["arms"][0]["loss"].get<double>(), 1e-9);
  succeeds({"analyze", "model", "--data", "rows.jsonl", "-o", "profile.json"});
  succeeds({"plan", "--profile", "profile.json", "--trials", "trials.json", "--budget", "60steps",
      "-o", "plan.json"});
  EXPECT_THAT(
      json("plan.json")["prediction_basis"].get<std::string>(), HasSubstr("trials of 2 arms"));
  // A few steps from random weights: the higher rate gets further.
  EXPECT_LT(trials["arms"][0]["rates"][0]["delta"], 0.0);
  succeeds({"plan", "--profile", "profile.json", "--budget", "60steps", "-o", "untried.json"});
  EXPECT_DOUBLE_EQ(json("plan.json")["candidates"][0]["learning_rate"].get<double>(),
      4.0 * json("untried.json")["candidates"][0]["learning_rate"].get<double>());
  words.insert(words.end(), {"--arms", "lisa:2", "-o", "other.json"});
  EXPECT_THAT(salf(words).err, HasSubstr("a trial is of a cut or of LoRA"));
  EXPECT_EQ(
      salf({"trial", "model", "--data", "rows.jsonl", "--arms", "full", "-o", "other.json"}).code,
      2);
  write("rows.jsonl", text("rows.jsonl") + R"({"prompt": "New?", "completion": " Yes."})" + "\n");
  EXPECT_THAT(salf(train("60steps", "run", {"--trials", "trials.json"})).err,
      HasSubstr("another data file"));
}

TEST_F(RunTest, TheLevelOfPredictionsRestsOnTwoGradientsOfAModelThatThePriorKnows) {
  succeeds({"analyze", "model", "--data", "rows.jsonl", "-o", "profile.json"});
  succeeds({"plan", "--profile", "profile.json", "--budget", "40steps", "-o", "other-model.json"});
  EXPECT_FALSE(json("other-model.json").contains("gradient_agreement"));
  core::Json prior =
      core::read_json_file(std::filesystem::path(SALF_TEST_DATA) / "../../configs/prior.json");
  prior["level"]["blocks"] = 4;
  prior["level"]["parameters"] = json("other-model.json")["shape"]["parameters"];
  write("prior.json", prior.dump());
  succeeds({"plan", "--profile", "profile.json", "--budget", "40steps", "--prior", "prior.json",
      "-o", "plan.json"});
  const core::Json plan = json("plan.json");
  EXPECT_GT(plan["gradient_agreement"], 0.0);
  EXPECT_THAT(
      plan["prediction_basis"].get<std::string>(), HasSubstr("two gradients on these data"));
  EXPECT_NE(plan["candidates"][0]["loss"]["value"],
      json("other-model.json")["candidates"][0]["loss"]["value"]);
}

TEST_F(RunTest, LoraIsPlannedBesideWholeBlocksAndTrainedWhereItIsPredictedToEndLower) {
  // The built-in prior, with LoRA keeping so much less of full tuning's gain.
  const auto write_prior = [this](const std::string& file, double penalty) {
    core::Json prior =
        core::read_json_file(std::filesystem::path(SALF_TEST_DATA) / "../../configs/prior.json");
    for (core::Json& fit : prior["fits"]) {
      fit["law"]["lora_penalty"] = penalty;
      for (core::Json& replicate : fit["replicates"]) replicate["lora_penalty"] = penalty;
    }
    write(file, prior.dump());
  };
  write_prior("for.json", -0.5);
  write_prior("against.json", 0.5);
  succeeds({"analyze", "model", "--data", "rows.jsonl", "-o", "profile.json"});
  const auto plan = [this](const Words& more, const std::string& file) {
    succeeds(
        joined({"plan", "--profile", "profile.json", "--budget", "40steps", "-o", file}, more));
    return json(file);
  };
  EXPECT_FALSE(plan({"--prior", "against.json"}, "against-plan.json").contains("lora"));
  EXPECT_EQ(json("against-plan.json")["candidates"].size(), 8U);
  EXPECT_EQ(
      plan({"--prior", "for.json", "--lora", "none"}, "none-plan.json")["candidates"].size(), 4U);
  EXPECT_FALSE(json("none-plan.json").contains("lora"));
  EXPECT_EQ(plan({"--lora", "r=4"}, "alone-plan.json")["candidates"][0]["arm"], "lora");
  succeeds({"show", "alone-plan.json"});
  ASSERT_TRUE(plan({"--prior", "for.json"}, "for-plan.json").contains("lora"));

  const ProgramResult stopped =
      salf(train("400steps", "run", {"--prior", "for.json"}), stop_after_steps("run", SIGINT));
  ASSERT_EQ(stopped.code, 130) << stopped.err;
  succeeds({"train", "--resume", "run"});
  const core::Json run = json("run/run.json");
  EXPECT_EQ(run["status"], "finished");
  EXPECT_EQ(run["plan"]["lora"]["rank"], 16);
  EXPECT_LT(run["best"]["loss"].get<double>(), run["before"]["loss"].get<double>() - 0.1);
  EXPECT_TRUE(exists("run/adapter/adapter_model.safetensors"));
  EXPECT_THAT(salf({"show", "run"}).out, HasSubstr("LoRA"));
  succeeds({"report", "run", "-o", "report.html"});
  EXPECT_THAT(text("report.html"), HasSubstr("LoRA r=16"));
}

TEST_F(RunTest, FrozenWeightsKeepTheirBytesAndTheOthersDoNot) {
  succeeds(train("10steps", "run", {"--eof", "2"}));
  const auto before = parameters("model/model.pt");
  const auto after = parameters("run/model.pt");
  ASSERT_EQ(before.size(), after.size());
  for (const auto& [name, bytes] : before) {
    const bool trained = name.find("layers.2.") != std::string::npos ||
                         name.find("layers.3.") != std::string::npos ||
                         name.find("model.norm") != std::string::npos;
    EXPECT_EQ(after.at(name) != bytes, trained) << name;
  }
}

TEST_F(RunTest, EveryCountedBudgetIsKept) {
  const auto run = [this](const std::string& budget) {
    const std::string output = "run-" + budget;
    const ProgramResult result = salf(train(budget, output));
    EXPECT_EQ(result.code, 0) << budget << ": " << result.err;
    return json(output + "/run.json");
  };
  EXPECT_EQ(run("7steps")["steps"], 7);
  EXPECT_DOUBLE_EQ(run("2epochs")["epochs"].get<double>(), 2.0);
  const double tokens = run("3000tokens")["tokens"].get<double>();
  EXPECT_LE(tokens, 3000.0);
  EXPECT_GT(tokens, 2000.0);
  const core::Json share = run("40%");
  EXPECT_EQ(share["status"], "finished");
  const double whole =
      share["plan"]["full_step_flops"].get<double>() * share["plan"]["most_steps"].get<double>();
  EXPECT_LE(share["flops"].get<double>(), 0.41 * whole);
  const core::Json flops = run("2GFLOP");
  EXPECT_LE(flops["flops"].get<double>(), 2e9);
  EXPECT_GT(flops["flops"].get<double>(), 0.5e9);
}

TEST_F(RunTest, ABudgetThatIsNotUsedUpSaysWhy) {
  const ProgramResult done = salf(train("10m", "run", {"--max-epochs", "1", "--no-trials"}));
  ASSERT_EQ(done.code, 0) << done.err;
  EXPECT_THAT(json("run/run.json")["unused"].get<std::string>(),
      HasSubstr("of 10 min 00 s were left: --max-epochs was reached"));
  EXPECT_THAT(done.out, HasSubstr("--max-epochs was reached"));
  succeeds(train("3steps", "counted"));
  EXPECT_EQ(json("counted/run.json")["unused"], "");
}

// The tests of the pacer have a clock of their own and check that the budget is kept to the second.
TEST_F(RunTest, ATimeBudgetEndsTheRun) {
  const ProgramResult result = salf(train("10s", "run", {"--max-epochs", "100000"}));
  ASSERT_EQ(result.code, 0) << result.err;
  const core::Json run = json("run/run.json");
  // A machine of another speed does more or fewer steps than were planned.
  EXPECT_THAT(run["status"].get<std::string>(), ::testing::AnyOf("finished", "budget-reached"));
  EXPECT_GT(run["steps"], 0);
  EXPECT_GT(run["cooldown_start_step"], 0);
  EXPECT_TRUE(exists("run/profile.json"));
}

TEST_F(RunTest, AReplayGivesTheSameBytes) {
  succeeds(train("10s", "run", {"--max-epochs", "1000"}));
  succeeds({"train", "--replay", "run/run.json", "-o", "again"});
  EXPECT_EQ(losses("run"), losses("again"));
  EXPECT_TRUE(text("run/model.pt") == text("again/model.pt"));
}

TEST_F(RunTest, AnInterruptedRunGoesOnToTheSameBytes) {
  const Words words = train("400steps", "run", {"--accumulate", "2"});
  const ProgramResult stopped = salf(words, stop_after_steps("run", SIGINT));
  ASSERT_EQ(stopped.code, 128 + SIGINT) << stopped.err;
  EXPECT_EQ(json("run/run.json")["status"], "interrupted");
  EXPECT_FALSE(exists("run/model.pt"));
  EXPECT_FALSE(exists("run/profile.json"));
  const std::size_t done = losses("run").size();
  EXPECT_LT(done, 400U);
  EXPECT_THAT(
      salf({"train", "--resume", "run", "--eof", "1"}).err, HasSubstr("'eof' cannot be changed"));
  succeeds({"train", "--resume", "run"});
  EXPECT_TRUE(exists("run/profile.json"));
  succeeds(train("400steps", "straight", {"--accumulate", "2"}));
  EXPECT_EQ(losses("run"), losses("straight"));
  EXPECT_TRUE(text("run/model.pt") == text("straight/model.pt"));
  EXPECT_EQ(salf({"train", "--resume", "run"}).code, 2);  // it has ended
}

TEST_F(RunTest, AKeptCacheIsUsedByAResumedRunAndByTheNext) {
  const Words more{"--eof", "2", "--keep-cache"};
  ASSERT_EQ(
      salf(train("400steps", "run", more), stop_after_steps("run", SIGINT)).code, 128 + SIGINT);
  const ProgramResult resumed = salf({"train", "--resume", "run"});
  ASSERT_EQ(resumed.code, 0) << resumed.err;
  EXPECT_THAT(resumed.err, HasSubstr("rows is used again"));
  succeeds(train("400steps", "straight", {"--eof", "2"}));
  EXPECT_FALSE(exists("straight/train.prefix-cache"));
  EXPECT_EQ(losses("run"), losses("straight"));
  EXPECT_TRUE(text("run/model.pt") == text("straight/model.pt"));

  Words again = train("400steps", "run", more);
  again.emplace_back("--force");
  succeeds(again);
  const core::Json cache = json("run/run.json")["cache"];
  EXPECT_EQ(cache["rows_computed"], 0);
  EXPECT_GT(cache["flops_avoided"].get<double>(),
      json("straight/run.json")["cache"]["flops_avoided"].get<double>());
  EXPECT_TRUE(text("run/model.pt") == text("straight/model.pt"));
  again.insert(again.end(), {"--seed", "2"});
  EXPECT_THAT(salf(again).err, HasSubstr("train.prefix-cache: not used"));
}

TEST_F(RunTest, KeepingTheCacheAndHavingNoneAreRefusedTogether) {
  const ProgramResult result = salf(train("5steps", "run", {"--keep-cache", "--no-cache"}));
  EXPECT_EQ(result.code, 2);
  EXPECT_THAT(result.err, HasSubstr("exclude each other"));
}

TEST_F(RunTest, ResumeRefusesChangedDataAndModel) {
  ASSERT_EQ(salf(train("400steps", "run"), stop_after_steps("run", SIGTERM)).code, 128 + SIGTERM);
  const std::string rows = text("rows.jsonl");
  write("rows.jsonl", rows + R"({"prompt": "New?", "completion": " Yes."})" + "\n");
  const ProgramResult other_data = salf({"train", "--resume", "run"});
  EXPECT_EQ(other_data.code, 2);
  EXPECT_THAT(other_data.err, HasSubstr("another data file"));
  write("rows.jsonl", rows);
  succeeds(train("5steps", "tuned"));
  std::filesystem::copy_file(folder_ / "tuned" / "model.pt", folder_ / "model" / "model.pt",
      std::filesystem::copy_options::overwrite_existing);
  const ProgramResult other_model = salf({"train", "--resume", "run"});
  EXPECT_EQ(other_model.code, 2);
  EXPECT_THAT(other_model.err, HasSubstr("another model"));
}

TEST_F(RunTest, TheSmallestBudgetThatIsNamedWorks) {
  const ProgramResult refused = salf(train("0.001%", "run"));
  EXPECT_EQ(refused.code, 6);
  EXPECT_FALSE(exists("run/run.json"));
  const std::string key = "smallest budget that works is ";
  const std::size_t at = refused.err.find(key);
  ASSERT_NE(at, std::string::npos) << refused.err;
  const std::string smallest =
      refused.err.substr(at + key.size(), refused.err.find(';', at) - at - key.size());
  const ProgramResult accepted = salf(train(smallest, "run"));
  EXPECT_EQ(accepted.code, 0) << smallest << ": " << accepted.err;
}

TEST_F(RunTest, StagesGoFromTheDeepCutToTheShallowOne) {
  const Words staged{"--eof", "0", "--stages", "2", "--patience", "0"};
  const ProgramResult done = salf(train("40steps", "staged", staged));
  ASSERT_EQ(done.code, 0) << done.err;
  const core::Json run = json("staged/run.json");
  ASSERT_EQ(run["plan"]["stages"].size(), 2U);
  EXPECT_EQ(run["stages"][0]["steps"], 16);
  EXPECT_NE(run["stages"][0]["decision"]["choice"], "none");
  EXPECT_THAT(done.out, HasSubstr("stages"));
  succeeds({"train", "--replay", "staged/run.json", "-o", "again"});
  EXPECT_EQ(parameters("again/model.pt"), parameters("staged/model.pt"));
  EXPECT_EQ(json("again/run.json")["stages"].size(), run["stages"].size());
  succeeds({"report", "staged", "-o", "staged.html"});
  EXPECT_THAT(text("staged.html"), HasSubstr("run.stages[0].decision.loss_next"));
}

TEST_F(RunTest, AGateThatFailsEndsTheRunWithExitCodeOne) {
  succeeds(train("30steps", "good", {"--gate", "loss_increase<=0.5", "--gate", "end:seconds<=1h"}));
  EXPECT_EQ(json("good/run.json")["gates"][0]["passed"], true);
  EXPECT_EQ(json("good/run.json")["gates"].size(), 2U);
  const ProgramResult failed = salf(train("30steps", "bad", {"--gate", "dev_loss<=0.01"}));
  EXPECT_EQ(failed.code, 1) << failed.err;
  EXPECT_THAT(failed.err, HasSubstr("gate dev_loss<=0.01 failed at step"));
  EXPECT_THAT(failed.out, HasSubstr("dev_loss<=0.01  FAILED: "));
  const core::Json run = json("bad/run.json");
  EXPECT_EQ(run["status"], "gate-failed");
  EXPECT_EQ(run["best"]["step"], 0);
  EXPECT_EQ(parameters("bad/model.pt"), parameters("model/model.pt"));  // the weights before
  EXPECT_THAT(salf({"show", "bad"}).out, HasSubstr("FAILED"));
  succeeds({"report", "bad", "-o", "bad.html"});
  EXPECT_THAT(text("bad.html"), HasSubstr("run.gates[0].value"));
  EXPECT_EQ(salf({"train", "--resume", "bad"}).code, 2);  // it has ended
}

TEST_F(RunTest, APilotRunsTheWholeFlowOnASample) {
  const ProgramResult pilot =
      salf(train("200steps", "pilot", {"--pilot", "20%", "--gate", "loss_increase<=1"}));
  ASSERT_EQ(pilot.code, 0) << pilot.err;
  EXPECT_THAT(pilot.out, HasSubstr("the whole run"));
  const core::Json run = json("pilot/run.json");
  EXPECT_EQ(run["steps"], 40);
  EXPECT_EQ(run["pilot"]["full_steps"], 200);
  EXPECT_EQ(run["pilot"]["all_documents"], 150);
  EXPECT_LT(run["pilot"]["documents"], 45);
  EXPECT_GT(run["pilot"]["pace"], 0.0);
  EXPECT_TRUE(exists("pilot/model.pt"));
  succeeds(
      {"train", "model", "--data", "rows.jsonl", "--plan", "pilot/full-plan.json", "-o", "whole"});
  EXPECT_EQ(json("whole/run.json")["steps"], 200);
  EXPECT_EQ(
      salf(train("200steps", "failed", {"--pilot", "20%", "--gate", "dev_loss<=0.01"})).code, 1);
  // Repeated and gone on with like any run.
  succeeds({"train", "--replay", "pilot/run.json", "-o", "again"});
  EXPECT_EQ(parameters("again/model.pt"), parameters("pilot/model.pt"));
  const ProgramResult stopped =
      salf(train("20000steps", "stopped", {"--pilot", "20%", "--patience", "0"}),
          stop_after_steps("stopped", SIGINT));
  EXPECT_EQ(stopped.code, 130) << stopped.err;
  EXPECT_EQ(json("stopped/run.json")["pilot"]["full_steps"], 20000);
}

}  // namespace
}  // namespace salf::testing
