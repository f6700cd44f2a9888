// The program with --device cuda, as a user runs it, against the same on the CPU.
#include <gmock/gmock.h>

#include <cmath>
#include <sstream>

#include "e2e/small_world.h"
#include "support/ranks.h"

namespace salf::testing {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;
using Words = std::vector<std::string>;

// Of float32 and bfloat16 sums in another order.
constexpr double kTolerance = 2e-6, kNarrowTolerance = 3e-3;
// Above what the test model needs with the smallest batches, below its need with 1,024 tokens.
constexpr const char* kLittleMemory = "5MB";

class DeviceProgram : public SmallWorld {
 protected:
  DeviceProgram() {
    std::istringstream lines(text("rows.jsonl"));
    std::string few;
    for (std::string line; few.size() < 4000 && std::getline(lines, line);) few += line + "\n";
    write("few.jsonl", few);
  }

  static std::string preloaded() {
    const std::string folder = SALF_FAKE_DEVICE_FOLDER;
    return folder + "/libtorch_cuda.so:" + folder + "/libsalf_cuda.so";
  }

  ProgramResult on_device(const Words& words, const Words& environment = {}) const {
    return beside_device(joined(words, {"--device", "cuda"}), environment);
  }

  ProgramResult beside_device(const Words& words, const Words& environment = {}) const {
    ProgramSetting setting;
    setting.environment =
        joined({"LD_PRELOAD=" + preloaded(), "ASAN_OPTIONS=verify_asan_link_order=0"}, environment);
    return salf(words, setting);
  }

  // Every loss of a run, in order.
  std::vector<double> losses(const std::string& run) const {
    std::vector<double> all;
    std::istringstream lines(text(run + "/metrics.jsonl"));
    for (std::string line; std::getline(lines, line);) {
      const core::Json entry = core::parse_json(line, run);
      for (const char* key : {"loss", "dev_loss"})
        if (entry.contains(key)) all.push_back(entry[key].get<double>());
    }
    return all;
  }

  static void expect_near(
      const std::vector<double>& device, const std::vector<double>& cpu, double tolerance) {
    ASSERT_EQ(device.size(), cpu.size());
    ASSERT_FALSE(cpu.empty());
    for (std::size_t i = 0; i < cpu.size(); ++i)
      EXPECT_NEAR(device[i], cpu[i], tolerance * std::abs(cpu[i])) << "loss " << i;
  }

  static Words train_words(const std::string& output, const Words& more) {
    return joined({"train", "model", "--data", "few.jsonl", "--budget", "8steps", "--batch-tokens",
                      "128", "--min-steps", "2", "-o", output},
        more);
  }
};

struct TrainingCase {
  const char* name;
  Words words;
};

std::vector<TrainingCase> training_cases() {
  return {{"Everything", {"--eof", "0"}}, {"Cached", {"--eof", "2"}},
      {"NotCached", {"--eof", "2", "--no-cache"}},
      {"Recomputed", {"--eof", "1", "--recompute", "--accumulate", "2"}},
      {"Lora", {"--lora", "r=4", "--eof", "1"}}, {"Packed", {"--eof", "1", "--pack", "64"}},
      {"Stages", {"--eof", "0", "--stages", "2", "--patience", "0"}},
      {"Int4", {"--eof", "2", "--frozen-dtype", "int4"}}};
}

class DeviceTraining : public DeviceProgram,
                       public ::testing::WithParamInterface<std::tuple<std::size_t, const char*>> {
};

TEST_P(DeviceTraining, GivesTheLossesOfTheCpu) {
  const TrainingCase tested = training_cases()[std::get<0>(GetParam())];
  const std::string type = std::get<1>(GetParam());
  const Words words = joined(tested.words, {"--dtype", type});
  succeeds(train_words("cpu", words));
  const ProgramResult result = on_device(train_words("device", words));
  ASSERT_EQ(result.code, 0) << result.err;
  EXPECT_THAT(result.err, Not(HasSubstr("ATen's operators")));
  expect_near(losses("device"), losses("cpu"), type == "f32" ? kTolerance : kNarrowTolerance);
  const core::Json run = json("device/run.json");
  EXPECT_EQ(run["steps"], json("cpu/run.json")["steps"]);
  if (tested.name == std::string("Cached") && type == "bf16") {
    EXPECT_GT(run["frozen_bytes_mapped"].get<std::int64_t>(), 0);
  }
}

// Each path in one type, and the usual ones in both.
std::vector<std::tuple<std::size_t, const char*>> typed_cases() {
  std::vector<std::tuple<std::size_t, const char*>> typed;
  const std::vector<TrainingCase> cases = training_cases();
  for (std::size_t i = 0; i < cases.size(); ++i) {
    const std::string name = cases[i].name;
    const bool usual = name == "Everything" || name == "Cached";
    if (usual || i % 2 == 0) typed.emplace_back(i, "f32");
    if (usual || i % 2 == 1) typed.emplace_back(i, "bf16");
  }
  return typed;
}

INSTANTIATE_TEST_SUITE_P(
    Of, DeviceTraining, ::testing::ValuesIn(typed_cases()), [](const auto& tested) {
      return training_cases()[std::get<0>(tested.param)].name + std::string("_") +
             std::get<1>(tested.param);
    });

TEST_F(DeviceProgram, EvaluatesAndAnalyzesAsTheCpuDoes) {
  for (const char* type : {"f32", "bf16"}) {
    const double tolerance = type == std::string("f32") ? kTolerance : kNarrowTolerance;
    const Words eval{"eval", "model", "--data", "few.jsonl", "--json", "--dtype", type};
    const ProgramResult device = on_device(eval);
    ASSERT_EQ(device.code, 0) << device.err;
    const auto loss = [](const ProgramResult& result) {
      return core::parse_json(result.out, "eval")["tokens"]["loss"]["value"].get<double>();
    };
    expect_near({loss(device)}, {loss(salf(eval))}, tolerance);
    const Words analyze{"analyze", "model", "--data", "few.jsonl", "--dtype", type, "--force"};
    succeeds(joined(analyze, {"-o", "cpu.json"}));
    const ProgramResult analyzed = on_device(joined(analyze, {"-o", "device.json"}));
    ASSERT_EQ(analyzed.code, 0) << analyzed.err;
    const auto deviations = [this](const std::string& file) {
      return json(file)["deviations"][0]["deviation"].get<std::vector<double>>();
    };
    expect_near(deviations("device.json"), deviations("cpu.json"), tolerance);
  }
}

TEST_F(DeviceProgram, IsFoundByTheDoctor) {
  const ProgramResult result = beside_device({"doctor", "--json"});
  ASSERT_EQ(result.code, 0) << result.err;
  const core::Json cuda = core::parse_json(result.out, "doctor")["cuda"];
  EXPECT_EQ(cuda["devices"], 1);
  EXPECT_EQ(cuda["library"], "loaded");
  EXPECT_EQ(cuda["kernels"], "loaded");
  EXPECT_EQ(cuda["reason"], "");
}

TEST_F(DeviceProgram, RunsByAtensOperatorsWhereTheLibraryCannotLaunch) {
  const Words words = train_words("device", {"--eof", "1"});
  const ProgramResult result =
      on_device(words, {"SALF_FAKE_DEVICE_LAUNCH=fails", "SALF_FAKE_DEVICE_OLD=1"});
  ASSERT_EQ(result.code, 0) << result.err;
  const std::string warning = "no kernel image is available for execution on the device";
  EXPECT_THAT(result.err, HasSubstr(warning));
  EXPECT_EQ(result.err.find(warning), result.err.rfind(warning)) << result.err;
  EXPECT_EQ(json("device/run.json")["provenance"]["dtype"], "f32");
  succeeds(train_words("cpu", {"--eof", "1", "--dtype", "f32"}));
  expect_near(losses("device"), losses("cpu"), kTolerance);
}

TEST_F(DeviceProgram, PredictsMeasuresAndLimitsTheMemoryOfTheDevice) {
  const Words words = train_words("device", {"--eof", "1", "--max-memory", "1GiB"});
  const ProgramResult gated = on_device(joined(words, {"--gate", "peak_memory<=1KB"}));
  EXPECT_EQ(gated.code, 1) << gated.err;
  EXPECT_THAT(gated.err, HasSubstr("peak_memory"));
  EXPECT_EQ(json("device/plan.json")["batch_tokens"], 128);
  EXPECT_EQ(json("device/plan.json")["batch_reason"], "");
  const double predicted = json("device/plan.json")["memory_bytes"].get<double>();
  const double held = json("device/run.json")["peak_anonymous_bytes"].get<double>();
  EXPECT_GT(predicted, 0.8 * held);
  EXPECT_LT(predicted, 2.5 * held);
  const ProgramResult small =
      on_device(train_words("small", {"--eof", "1", "--max-memory", "1KB"}));
  EXPECT_EQ(small.code, 6) << small.err;
}

// Two ranks, each with a device of its own, by libsalf_nccl.so and without it.
TEST_F(DeviceProgram, OnRanksSendsTheSameByNcclAndThroughTheHost) {
  const auto train = [this](const std::string& output, const char* sharded, bool nccl) {
    RankSetting setting;
    setting.variables["LD_PRELOAD"] =
        preloaded() + (nccl ? ":" SALF_FAKE_DEVICE_FOLDER "/libsalf_nccl.so" : "");
    setting.variables["ASAN_OPTIONS"] = "verify_asan_link_order=0";
    const std::string folder = folder_.path().string() + "/";
    return run_ranks(2,
        {SALF_BINARY, "train", folder + "model", "--data", folder + "few.jsonl", "--budget",
            "4steps", "--eof", "0", "--batch-tokens", "128", "--min-steps", "2", "--learning-rate",
            "1e-3", "--dtype", "bf16", "--device", "cuda:0", "--shard-optimizer", sharded, "-o",
            folder + output},
        setting);
  };
  for (const RankResult& result : train("nccl", "on", true)) {
    ASSERT_EQ(result.code, 0) << result.err;
    EXPECT_THAT(result.err, Not(HasSubstr("Gloo")));
  }
  const auto results = train("host", "off", false);
  for (const RankResult& result : results) ASSERT_EQ(result.code, 0) << result.err;
  EXPECT_THAT(results[0].err, HasSubstr("through the host's memory, by Gloo: libsalf_nccl.so"));
  EXPECT_EQ(losses("nccl"), losses("host"));
  EXPECT_TRUE(text("nccl/model.pt") == text("host/model.pt"));
}

// Memory rules out the usual 1,024 tokens, and a repeated run does not choose again.
TEST_F(DeviceProgram, ChoosesTheSizeOfBatchesByMemoryAndReplaysWithIt) {
  const Words words{"train", "model", "--data", "few.jsonl", "--budget", "2steps", "--min-steps",
      "1", "--eof", "1", "--dtype", "f32", "--max-memory", kLittleMemory, "-o", "chosen"};
  const ProgramResult chosen = on_device(words);
  ASSERT_EQ(chosen.code, 0) << chosen.err;
  EXPECT_THAT(chosen.err, HasSubstr(" tokens (--batch-tokens): batches of "));
  const core::Json plan = json("chosen/plan.json");
  const auto tokens = plan["batch_tokens"].get<std::int64_t>();
  EXPECT_LT(tokens, 1024);
  EXPECT_THAT(
      plan["batch_reason"].get<std::string>(), HasSubstr("that the run may hold on this GPU"));
  EXPECT_LE(plan["memory_bytes"].get<double>(), 0.9 * plan["max_memory_bytes"].get<double>());
  EXPECT_EQ(json("chosen/run.json")["options"]["batch_tokens"], nullptr);
  const ProgramResult again =
      beside_device({"train", "--replay", "chosen/run.json", "-o", "again"});
  ASSERT_EQ(again.code, 0) << again.err;
  EXPECT_EQ(json("again/run.json")["plan"]["batch_tokens"], tokens);
  EXPECT_EQ(losses("again"), losses("chosen"));
}

TEST_F(DeviceProgram, SaysWhatToTryWhereTheModelDoesNotFit) {
  const ProgramResult result = on_device(
      train_words("device", {"--eof", "0", "--dtype", "f32"}), {"SALF_FAKE_DEVICE_BYTES=262144"});
  EXPECT_EQ(result.code, 7) << result.err;
  EXPECT_THAT(result.err, HasSubstr("the GPU is out of memory (tried to allocate "));
  EXPECT_THAT(result.err, HasSubstr("--recompute"));
}

}  // namespace
}  // namespace salf::testing
