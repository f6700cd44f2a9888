#include "report/run_data.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>

#include "core/json.h"
#include "sample.h"
#include "support/expect_error.h"
#include "support/temporary_folder.h"

namespace salf::report {
namespace {

class RunFolder : public ::testing::Test {
 protected:
  RunFolder() {
    core::write_document(folder_ / "run.json", *testing::sample_run().run);
    core::write_document(folder_ / "profile.json", testing::sample_profile());
    write("metrics.jsonl", "{\"step\":0,\"dev_loss\":2.5,\"seconds\":1}\n" + step_);
  }
  void write(const char* name, const std::string& text) const {
    std::ofstream(folder_ / name) << text;
  }

  testing::TemporaryFolder folder_;
  std::string step_ =
      "{\"step\":1,\"epoch\":0,\"tokens\":10,\"supervised_tokens\":9,\"seconds\":1.5,\"loss\":2.25,"
      "\"lr\":0.001,\"budget_spent\":0.5}\n";
};

TEST_F(RunFolder, IsReadWithItsCompanions) {
  const RunData data = load_run(folder_ / "", Running::kRefuse);
  ASSERT_TRUE(data.run && data.plan && data.profile);
  ASSERT_EQ(data.metrics.steps.size(), 1U);
  EXPECT_EQ(data.metrics.steps[0].loss, 2.25);
  EXPECT_EQ(data.metrics.evaluations.at(0).loss, 2.5);
  EXPECT_EQ(load_run(folder_ / "run.json", Running::kRefuse).metrics.steps.size(), 1U);
  EXPECT_FALSE(load_run(folder_ / "profile.json", Running::kRefuse).run);
}

TEST_F(RunFolder, ARunStillBeingWrittenIsRefusedWithTheWayOut) {
  auto run = *testing::sample_run().run;
  run.status = types::RunStatus::kRunning;
  core::write_document(folder_ / "run.json", run);
  testing::expect_error(ErrorKind::kBadInput, "salf report --follow",
      [&] { load_run(folder_ / "", Running::kRefuse); });
  EXPECT_TRUE(load_run(folder_ / "", Running::kAccept).run);
}

TEST_F(RunFolder, AHalfWrittenLastLineIsLeftOut) {
  write("metrics.jsonl", step_ + "{\"step\":2,\"epo");
  EXPECT_EQ(load_run(folder_ / "", Running::kRefuse).metrics.steps.size(), 1U);
}

TEST_F(RunFolder, DamageIsNamedByFileAndLine) {
  write("metrics.jsonl", step_ + "{\"step\":-2}\n");
  testing::expect_error(
      ErrorKind::kBadInput, "metrics.jsonl:2", [&] { load_run(folder_ / "", Running::kRefuse); });
  write("metrics.jsonl", step_ + "{\"step\":1,\"dev_loss\":\"low\"}\n");
  testing::expect_error(
      ErrorKind::kBadInput, "expected a number", [&] { load_run(folder_ / "", Running::kRefuse); });
}

TEST_F(RunFolder, WhatIsNoRunIsRefused) {
  testing::expect_error(
      ErrorKind::kIo, "no such file", [&] { load_run(folder_ / "nothing", Running::kRefuse); });
  std::filesystem::create_directory(folder_ / "empty");
  testing::expect_error(
      ErrorKind::kBadInput, "no run.json", [&] { load_run(folder_ / "empty", Running::kRefuse); });
  write("other.json", "{\"schema\":\"salf.other/1\"}");
  testing::expect_error(ErrorKind::kBadInput, "salf.other",
      [&] { load_run(folder_ / "other.json", Running::kRefuse); });
  write("newer.json", "{\"schema\":\"salf.run/2\"}");
  testing::expect_error(ErrorKind::kBadInput, "newer salf",
      [&] { load_run(folder_ / "newer.json", Running::kRefuse); });
}

TEST_F(RunFolder, AProfileOfAnotherModelIsRefused) {
  auto profile = testing::sample_profile();
  profile.shape.blocks = 1;
  profile.shape.block_parameters = profile.shape.block_matrix_parameters = {0};
  profile.deviations.resize(1);
  profile.deviations[0].deviation = {0.5, 0.25};
  profile.deviations[0].gain = {0.25};
  profile.deviations[0].standard_error = {0.1, 0.1};
  profile.deviations[0].gain_error = {0.1};
  core::write_document(folder_ / "profile.json", profile);
  testing::expect_error(
      ErrorKind::kBadInput, "another model", [&] { load_run(folder_ / "", Running::kRefuse); });
}

}  // namespace
}  // namespace salf::report
