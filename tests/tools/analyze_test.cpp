#include "commands/analyze.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <torch/csrc/jit/api/module.h>

#include <filesystem>
#include <fstream>

#include "app/evidence/analysis.h"
#include "core/error.h"
#include "core/files.h"
#include "core/signals.h"
#include "support/byte_tokenizer.h"
#include "support/tiny_model.h"
#include "types/validate.h"

namespace salf::tools {
namespace {

using ::testing::HasSubstr;

TEST(AnalyzeOptions, ReportsEveryProblemAtOnce) {
  AnalyzeOptions options;
  options.data.dev_share = options.data.test_share = 0.5;
  options.data.max_length = 2000;
  options.output = "";
  EXPECT_THAT(options.problems(), ::testing::SizeIs(5));
  AnalyzeOptions good;
  good.model.model = "model";
  good.data.data = {"rows.jsonl"};
  EXPECT_THAT(good.problems(), ::testing::IsEmpty());
}

class AnalyzeOutput : public ::testing::Test {
 protected:
  AnalyzeOutput() {
    std::filesystem::create_directories(folder_);
    options_.model.model = (folder_ / "no such model").string();
    options_.output = (folder_ / "profile.json").string();
  }
  ~AnalyzeOutput() override { std::filesystem::remove_all(folder_); }

  void write(const std::string& text) const { std::ofstream(options_.output) << text; }

  std::string refusal() {  // of the command, which stops at the missing model at the latest
    core::Progress progress;
    try {
      run(options_, progress);
    } catch (const Error& error) {
      return error.what();
    }
    return "";
  }

  std::filesystem::path folder_ = std::filesystem::path(::testing::TempDir()) /
                                  ::testing::UnitTest::GetInstance()->current_test_info()->name();
  AnalyzeOptions options_;
};

TEST_F(AnalyzeOutput, KeepsAnEarlierProfile) {
  write(R"({"schema": "salf.profile/1"})");
  EXPECT_THAT(refusal(), HasSubstr("--force"));
  options_.common.force = true;
  EXPECT_THAT(refusal(), HasSubstr("no such model"));
}

TEST_F(AnalyzeOutput, NeverReplacesAnotherFile) {
  write("my notes");
  options_.common.force = true;
  EXPECT_THAT(refusal(), HasSubstr("something else"));
  EXPECT_EQ(core::read_file(options_.output), "my notes");
}

TEST_F(AnalyzeOutput, NamesAFolder) {
  options_.output = folder_.string();
  EXPECT_THAT(refusal(), HasSubstr("is a folder"));
}

TEST_F(AnalyzeOutput, LeavesNothingBehindWhenTheModelIsMissing) {
  options_.output = (folder_ / "new" / "profile.json").string();
  EXPECT_THAT(refusal(), HasSubstr("no such model"));
  EXPECT_TRUE(std::filesystem::is_empty(folder_ / "new"));
}

}  // namespace
}  // namespace salf::tools
