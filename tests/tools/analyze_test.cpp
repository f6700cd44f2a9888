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

constexpr int kVocabulary = 264;  // the byte tokenizer's 259 ids and a little padding

app::ModelSession tiny_session() {
  app::ModelSession session{model::ModelFiles{}, "", "", c10::Device(c10::DeviceType::CPU), nullptr,
      nullptr, std::nullopt};
  session.tokenizer = std::make_unique<salf::testing::ByteTokenizer>();
  session.model =
      std::make_unique<model::ScriptModel>(support::make_tiny_decoder(4, 16, kVocabulary, 1));
  session.graph.emplace(*session.model, "");
  return session;
}

data::Dataset rows(std::int64_t count) {
  data::Dataset dataset;
  dataset.hash = "hash of the data";
  for (std::int64_t i = 0; i < count; ++i) {
    data::Document document;
    for (std::int64_t t = 0; t < 10 + i % 3; ++t) {
      document.ids.push_back('a' + (i + t) % 26);
      document.labels.push_back(t < 3 ? tensor::kNoLabel : 'a' + (i + t + 1) % 26);
    }
    dataset.documents.push_back(document);
    dataset.splits.push_back(data::Split::kTrain);
  }
  return dataset;
}

TEST(Analyze, GivesAProfileThatPassesEveryCheck) {
  const app::ModelSession session = tiny_session();
  app::AnalyzeRequest request;
  request.calibration.loss_positions = 0.5;
  request.batch_tokens = 64;
  request.model_path = "model";
  request.data_path = "data.jsonl";
  core::Progress progress;
  const auto profile = app::analyze(session, rows(30), request, progress);
  ASSERT_TRUE(profile.has_value());
  EXPECT_NO_THROW(types::check(*profile, "profile.json"));
  EXPECT_EQ(profile->shape.blocks, 4);
  EXPECT_EQ(profile->provenance.data_hash, "hash of the data");
  EXPECT_EQ(profile->deviations.size(), 2U);
}

TEST(Analyze, TwoDocumentsAreEnoughForTheChecks) {
  const app::ModelSession session = tiny_session();
  app::AnalyzeRequest request;
  request.calibration.loss_positions = 0.1;  // perhaps one document only: its error is unknown
  core::Progress progress;
  const auto profile = app::analyze(session, rows(2), request, progress);
  ASSERT_TRUE(profile.has_value());
  EXPECT_NO_THROW(types::check(*profile, "profile.json"));
}

TEST(Analyze, MeasuresTheDomainsWordsBesideAllOthers) {
  const app::ModelSession session = tiny_session();
  app::AnalyzeRequest request;
  request.calibration.basis_vocabulary = "data";
  core::Progress progress;
  data::Dataset dataset = rows(60);
  dataset.domains = {"even", "odd"};
  for (std::size_t i = 0; i < dataset.documents.size(); ++i)
    dataset.documents[i].domain = static_cast<std::int64_t>(i % 2);
  const auto profile = app::analyze(session, dataset, request, progress);
  ASSERT_TRUE(profile.has_value());
  EXPECT_NO_THROW(types::check(*profile, "profile.json"));
  ASSERT_TRUE(profile->vocabulary.has_value());
  EXPECT_EQ(profile->vocabulary->source, "data");
  EXPECT_THAT(profile->vocabulary->reference, HasSubstr("the model itself"));
  EXPECT_GT(profile->vocabulary->tokens, 0);
  EXPECT_EQ(profile->vocabulary->choices_with.size(), 3 * profile->vocabulary->deviations.size());
  ASSERT_TRUE(profile->domains.has_value());
  EXPECT_EQ(profile->domains->domains.size(), 2U);
  EXPECT_EQ(profile->domains->agreements.size(), 3U);
  request.calibration.token_maps = 0;  // none of the data's text is kept
  EXPECT_TRUE(app::analyze(session, dataset, request, progress)->vocabulary->examples.empty());
}

TEST(Analyze, GivesNothingAfterASignal) {
  const app::ModelSession session = tiny_session();
  core::Progress progress;
  core::set_stop_signal(15);
  const auto profile = app::analyze(session, rows(4), {}, progress);
  core::set_stop_signal(0);
  EXPECT_FALSE(profile.has_value());
}

TEST(AnalyzeOptions, ReportsEveryProblemAtOnce) {
  AnalyzeOptions options;
  options.data.dev_share = options.data.test_share = 0.5;
  options.data.max_length = 2000;
  options.model.dtype = app::DataType::kBFloat16;
  options.output = "";
  EXPECT_THAT(options.problems(), ::testing::SizeIs(6));
  AnalyzeOptions good;
  good.model.model = "model";
  good.data.data = "rows.jsonl";
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
      analyze_command(options_, progress);
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
