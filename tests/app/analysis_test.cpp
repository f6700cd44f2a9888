#include "app/evidence/analysis.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <utility>

#include "core/signals.h"
#include "support/byte_tokenizer.h"
#include "support/tiny_model.h"
#include "tensor/batch.h"
#include "types/validate.h"

namespace salf::app {
namespace {

using ::testing::HasSubstr;

constexpr int kVocabulary = 264;  // the byte tokenizer's 259 ids and a little padding

// The tiny model with `dataset`, in batches of so many tokens.
Session tiny_session(data::Dataset dataset, std::int64_t batch_tokens = 1024) {
  Session session{{}, {}, "", "", c10::Device(c10::DeviceType::CPU), nullptr, nullptr, std::nullopt,
      "data.jsonl", {batch_tokens, 0}, std::make_shared<data::Dataset>(std::move(dataset))};
  session.options.model = "model";
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
  const Session session = tiny_session(rows(30), 64);
  AnalysisRequest request;
  request.calibration.loss_positions = 0.5;
  core::Progress progress;
  const auto profile = analyze(session, request, progress);
  ASSERT_TRUE(profile.has_value());
  EXPECT_NO_THROW(types::check(*profile, "profile.json"));
  EXPECT_EQ(profile->shape.blocks, 4);
  EXPECT_EQ(profile->provenance.data_hash, "hash of the data");
  EXPECT_EQ(profile->deviations.size(), 2U);
}

TEST(Analyze, TwoDocumentsAreEnoughForTheChecks) {
  const Session session = tiny_session(rows(2));
  AnalysisRequest request;
  request.calibration.loss_positions = 0.1;  // perhaps one document only: its error is unknown
  core::Progress progress;
  const auto profile = analyze(session, request, progress);
  ASSERT_TRUE(profile.has_value());
  EXPECT_NO_THROW(types::check(*profile, "profile.json"));
}

TEST(Analyze, MeasuresTheDomainsWordsBesideAllOthers) {
  AnalysisRequest request;
  request.calibration.basis_vocabulary = "data";
  core::Progress progress;
  data::Dataset dataset = rows(60);
  dataset.domains = {"even", "odd"};
  for (std::size_t i = 0; i < dataset.documents.size(); ++i)
    dataset.documents[i].domain = static_cast<std::int64_t>(i % 2);
  const Session session = tiny_session(std::move(dataset));
  const auto profile = analyze(session, request, progress);
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
  EXPECT_TRUE(analyze(session, request, progress)->vocabulary->examples.empty());
}

TEST(Analyze, GivesNothingAfterASignal) {
  const Session session = tiny_session(rows(4));
  core::Progress progress;
  core::set_stop_signal(15);
  const auto profile = analyze(session, {}, progress);
  core::set_stop_signal(0);
  EXPECT_FALSE(profile.has_value());
}

}  // namespace
}  // namespace salf::app
