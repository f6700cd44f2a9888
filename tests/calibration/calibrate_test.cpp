#include "calibration/calibrate.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <torch/types.h>

#include <cmath>
#include <limits>
#include <string>

#include "core/error.h"
#include "core/json.h"
#include "core/signals.h"
#include "core/statistics.h"
#include "model/script_model.h"
#include "random_documents.h"
#include "support/tiny_model.h"

namespace salf::calibration {
namespace {

constexpr int kBlocks = 3;
constexpr int kHidden = 16;
constexpr int kVocabulary = 48;

class Calibrate : public ::testing::Test {
 protected:
  types::LayerProfile run(const CalibrationOptions& options) {
    const auto profile = calibrate(graph_, dataset_, options, setting_, progress_);
    EXPECT_TRUE(profile.has_value());
    return *profile;
  }

  at::Tensor hidden_states(const data::Document& document) {  // [L+1, T, D], one document by itself
    tensor::Batch batch;
    batch.ids = torch::tensor(document.ids, torch::kLong).unsqueeze(0);
    batch.labels = torch::tensor(document.labels, torch::kLong).unsqueeze(0);
    batch.documents = torch::zeros_like(batch.ids);
    const torch::NoGradGuard no_grad;
    return torch::stack(graph_.tap(batch).hidden).squeeze(1);
  }

  static constexpr std::int64_t kDocuments = 20;
  model::ScriptModel model_{support::make_tiny_decoder(kBlocks, kHidden, kVocabulary, 3)};
  model::GraphCut graph_{model_, ""};
  data::Dataset dataset_ = random_documents(kDocuments, 0, kVocabulary, 4);
  CalibrationSetting setting_{64, 0, kVocabulary, 11, 200, std::nullopt};
  core::Progress progress_;
};

CalibrationOptions everything() {
  CalibrationOptions options;
  options.documents = 1000;  // all there are
  options.loss_positions = 1.0;
  return options;
}

void expect_same(const types::Deviation& a, const types::Deviation& b, double tolerance) {
  using ::testing::DoubleNear;
  using ::testing::Pointwise;
  EXPECT_EQ(a.positions, b.positions);
  EXPECT_THAT(a.deviation, Pointwise(DoubleNear(tolerance), b.deviation));
  EXPECT_THAT(a.standard_error, Pointwise(DoubleNear(tolerance), b.standard_error));
  EXPECT_THAT(a.gain, Pointwise(DoubleNear(tolerance), b.gain));
  EXPECT_THAT(a.gain_error, Pointwise(DoubleNear(tolerance), b.gain_error));
}

// One document's sums by the definitions, in float64: pseudo-inverse, norm, softmax.
struct Reference {
  at::Tensor cosine;  // [L+1]
  at::Tensor loss;    // [L+1]
  double count = 0.0;
};

Reference reference(const at::Tensor& hidden, const at::Tensor& labels, const at::Tensor& head,
    const at::Tensor& gamma) {
  const at::Tensor index = labels.ge(0).nonzero().squeeze(1);
  const at::Tensor label = labels.index_select(0, index);
  const at::Tensor state = hidden.index_select(1, index).to(torch::kFloat64);  // [L+1, N, D]
  const at::Tensor normed = state * torch::rsqrt(state.square().mean(-1, true) + 1e-5) * gamma;
  const at::Tensor basis = torch::linalg_pinv(head).t().index_select(0, label);
  const at::Tensor cosine = torch::cosine_similarity(normed, basis.unsqueeze(0), -1);
  const at::Tensor logits = torch::matmul(normed, head.t());
  const at::Tensor label_logits =
      logits.gather(2, label.view({1, -1, 1}).expand({hidden.size(0), -1, 1}));
  const at::Tensor losses = torch::logsumexp(logits, -1) - label_logits.squeeze(2);
  return {(1.0 - cosine).sum(1), losses.sum(1), static_cast<double>(index.numel())};
}

TEST_F(Calibrate, EqualsTheDefinitionsDocumentByDocument) {
  model_.parameter("model.norm.weight").tensor.detach().uniform_(0.5, 2.0);
  const at::Tensor gamma =
      model_.parameter("model.norm.weight").tensor.detach().to(torch::kFloat64);
  const at::Tensor head = graph_.head_weight().detach().to(torch::kFloat64);
  std::vector<core::ClusteredMean> cosine(kBlocks + 1);
  std::vector<core::ClusteredMean> loss(kBlocks + 1);
  std::vector<core::ClusteredMean> gain(kBlocks);
  for (const data::Document& document : dataset_.documents) {
    const Reference sums = reference(
        hidden_states(document), torch::tensor(document.labels, torch::kLong), head, gamma);
    for (int l = 0; l <= kBlocks; ++l) {
      cosine[static_cast<std::size_t>(l)].add(sums.cosine[l].item<double>(), sums.count);
      loss[static_cast<std::size_t>(l)].add(sums.loss[l].item<double>(), sums.count);
      if (l > 0)
        gain[static_cast<std::size_t>(l - 1)].add(
            (sums.cosine[l - 1] - sums.cosine[l]).item<double>(), sums.count);
    }
  }
  const types::LayerProfile profile = run(everything());
  ASSERT_EQ(profile.deviations.size(), 2U);
  EXPECT_EQ(profile.deviations[0].documents, kDocuments);
  for (std::size_t l = 0; l <= kBlocks; ++l) {
    EXPECT_NEAR(profile.deviations[0].deviation[l], cosine[l].estimate().mean, 1e-5);
    EXPECT_NEAR(profile.deviations[0].standard_error[l], cosine[l].estimate().standard_error, 1e-5);
    EXPECT_NEAR(profile.deviations[1].deviation[l], loss[l].estimate().mean, 1e-4);
    EXPECT_NEAR(profile.deviations[1].standard_error[l], loss[l].estimate().standard_error, 1e-4);
  }
  for (std::size_t block = 0; block < kBlocks; ++block) {
    EXPECT_NEAR(profile.deviations[0].gain[block], gain[block].estimate().mean, 1e-5);
    EXPECT_NEAR(
        profile.deviations[0].gain_error[block], gain[block].estimate().standard_error, 1e-5);
  }
}

// However few positions are drawn, and whatever norm the spaces are measured with.
TEST_F(Calibrate, LossBeforeIsTheModelsOwnAtEverySupervisedPosition) {
  model_.parameter("model.norm.weight").tensor.detach().uniform_(0.5, 2.0);
  const types::Deviation loss = run(everything()).deviations[1];
  CalibrationOptions few;
  few.documents = kDocuments;
  few.loss_positions = 1e-9;
  for (const Norm norm : {Norm::kFinal, Norm::kNone}) {
    few.norm = norm;
    const types::LayerProfile profile = run(few);
    ASSERT_TRUE(profile.loss_before);
    EXPECT_NEAR(profile.loss_before->loss, loss.deviation.back(), 1e-5);
    EXPECT_NEAR(profile.loss_before->standard_error, loss.standard_error.back(), 1e-5);
    EXPECT_EQ(profile.loss_before->positions, loss.positions);
    EXPECT_EQ(profile.loss_before->documents, kDocuments);
  }
  few.loss_positions = 0.0;
  EXPECT_FALSE(run(few).loss_before);
}

TEST_F(Calibrate, BatchesDoNotMatter) {
  CalibrationOptions options = everything();
  options.loss_positions = 0.3;
  const types::LayerProfile small = run(options);
  setting_.batch_tokens = 4096;
  const types::LayerProfile large = run(options);
  for (std::size_t i = 0; i < 2; ++i) expect_same(small.deviations[i], large.deviations[i], 1e-5);
  EXPECT_EQ(small.tokens, large.tokens);
}

TEST_F(Calibrate, SameSeedSameProfile) {
  CalibrationOptions options;
  options.documents = 8;
  const auto text = [&](const types::LayerProfile& profile) {
    types::LayerProfile timeless = profile;
    timeless.seconds = timeless.forward_seconds = 0.0;
    return core::format_json(core::to_json(timeless));
  };
  const std::string first = text(run(options));
  EXPECT_EQ(first, text(run(options)));
  setting_.seed = 12;
  EXPECT_NE(first, text(run(options)));
}

TEST_F(Calibrate, GainsAreTheDropsAndReplicatesSpreadLikeTheError) {
  setting_.bootstrap_replicates = 2000;
  const types::LayerProfile profile = run(everything());
  const types::Deviation& cosine = profile.deviations[0];
  EXPECT_EQ(profile.deviations[0].measure, types::Measure::kCosine);
  EXPECT_EQ(profile.deviations[1].measure, types::Measure::kLoss);
  for (std::size_t block = 0; block < kBlocks; ++block) {
    EXPECT_NEAR(cosine.gain[block], cosine.deviation[block] - cosine.deviation[block + 1], 1e-9);
  }
  std::vector<double> last;
  for (const auto& replicate : cosine.replicates) last.push_back(replicate.back());
  EXPECT_NEAR(core::standard_deviation(last) / cosine.standard_error.back(), 1.0, 0.25);
}

TEST_F(Calibrate, LastPositionsAreOnePerDocument) {
  CalibrationOptions options = everything();
  options.loss_positions = 0.04;
  options.positions = Positions::kLast;
  const types::LayerProfile profile = run(options);
  EXPECT_EQ(profile.positions, "last");
  EXPECT_EQ(profile.deviations[0].positions, kDocuments);
  EXPECT_EQ(profile.deviations[1].positions, kDocuments);
}

TEST_F(Calibrate, WithoutNormTheLastSpaceIsComparedWithTheFoldedHead) {
  // cos(h, γ⁻¹⊙s) by hand, at γ that is far from 1.
  model_.parameter("model.norm.weight").tensor.detach().uniform_(0.2, 3.0);
  const at::Tensor gamma =
      model_.parameter("model.norm.weight").tensor.detach().to(torch::kFloat64);
  const at::Tensor folded =
      torch::linalg_pinv(graph_.head_weight().detach().to(torch::kFloat64)).t() / gamma;
  core::ClusteredMean expected;
  for (const data::Document& document : dataset_.documents) {
    const at::Tensor labels = torch::tensor(document.labels, torch::kLong);
    const at::Tensor index = labels.ge(0).nonzero().squeeze(1);
    const at::Tensor state =
        hidden_states(document)[kBlocks].index_select(0, index).to(torch::kFloat64);
    const at::Tensor basis = folded.index_select(0, labels.index_select(0, index));
    expected.add((1.0 - torch::cosine_similarity(state, basis, -1)).sum().item<double>(),
        static_cast<double>(index.numel()));
  }
  CalibrationOptions options = everything();
  options.norm = Norm::kNone;
  EXPECT_NEAR(run(options).deviations[0].deviation[kBlocks], expected.estimate().mean, 1e-5);
}

TEST_F(Calibrate, NoLossWhereNoneIsAskedFor) {
  CalibrationOptions options = everything();
  options.loss_positions = 0.0;
  EXPECT_EQ(run(options).deviations.size(), 1U);
}

TEST_F(Calibrate, StopsWithoutAResultWhenASignalCame) {
  core::set_stop_signal(2);
  const auto profile = calibrate(graph_, dataset_, everything(), setting_, progress_);
  core::set_stop_signal(0);
  EXPECT_FALSE(profile.has_value());
}

TEST_F(Calibrate, NamesTheSpaceThatIsNotFinite) {
  const at::Tensor weight = model_.parameter(graph_.block_parameters(1).front()).tensor.detach();
  weight.fill_(std::numeric_limits<float>::quiet_NaN());
  try {
    run(everything());
    FAIL() << "expected an error";
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::kBadModel);
    EXPECT_THAT(error.what(), ::testing::HasSubstr("space 2"));  // after the second block
  }
}

TEST_F(Calibrate, TheClockEndsThePassAfterSomeDocuments) {
  setting_.seconds = 0.0;
  EXPECT_EQ(run(everything()).deviations[0].documents, 8);
}

TEST_F(Calibrate, WithTimeEnoughTheOrderOfDocumentsDoesNotMatter) {
  CalibrationOptions options = everything();
  options.loss_positions = 0.0;
  const types::LayerProfile all = run(options);
  setting_.seconds = 1e6;
  const types::LayerProfile timed = run(options);
  EXPECT_EQ(timed.deviations[0].documents, kDocuments);
  using ::testing::DoubleNear;
  using ::testing::Pointwise;
  EXPECT_THAT(
      timed.deviations[0].deviation, Pointwise(DoubleNear(1e-6), all.deviations[0].deviation));
  EXPECT_THAT(timed.deviations[0].standard_error,
      Pointwise(DoubleNear(1e-6), all.deviations[0].standard_error));
}

TEST_F(Calibrate, DrawsAsManyAgainUntilTheChoiceHasSettled) {
  CalibrationOptions options;
  options.documents = 4;
  options.max_documents = 16;
  options.stability = 0.9;
  std::vector<std::int64_t> asked;
  double settled = 0.0;
  setting_.stability = [&](const types::LayerProfile& profile) {
    asked.push_back(profile.deviations[0].documents);
    return asked.size() == 2 ? settled : 0.3;
  };
  settled = 0.95;
  const types::LayerProfile early = run(options);
  EXPECT_EQ(asked, (std::vector<std::int64_t>{4, 8}));
  EXPECT_EQ(early.deviations[0].documents, 8);
  EXPECT_DOUBLE_EQ(early.stability, 0.95);
  EXPECT_DOUBLE_EQ(early.stability_goal, 0.9);
  asked.clear();
  settled = 0.5;
  const types::LayerProfile capped = run(options);
  EXPECT_EQ(asked, (std::vector<std::int64_t>{4, 8, 16}));
  EXPECT_DOUBLE_EQ(capped.stability, 0.3);
  options.stability = 0.0;
  EXPECT_EQ(run(options).deviations[0].documents, 4);
}

// What is measured first holds short, middle and long documents alike.
TEST_F(Calibrate, EveryBeginningOfTheSampleIsSpreadOverTheLengths) {
  dataset_ = random_documents(400, 0, kVocabulary, 4);
  CalibrationOptions options;
  options.documents = 20;
  options.max_documents = 400;
  double first_tokens = 0.0;
  setting_.stability = [&](const types::LayerProfile& profile) {
    if (first_tokens == 0.0) first_tokens = static_cast<double>(profile.tokens) / 20.0;
    return 0.0;
  };
  for (std::uint64_t seed = 1; seed <= 10; ++seed) {
    setting_.seed = seed;
    first_tokens = 0.0;
    const double all = static_cast<double>(run(options).tokens) / 400.0;
    // Twenty drawn without strata would have a mean with a standard error of 0.77 tokens.
    EXPECT_NEAR(first_tokens, all, 0.6) << seed;
  }
}

TEST_F(Calibrate, RefusesTooFewDocuments) {
  dataset_.splits.assign(dataset_.splits.size(), data::Split::kDev);
  try {
    run(everything());
    FAIL() << "expected an error";
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::kBadInput);
  }
}

TEST_F(Calibrate, TokenMapsShowTheirDocumentsAlone) {
  CalibrationOptions options;
  options.documents = 4;
  EXPECT_TRUE(run(options).token_maps.empty());  // nobody said what tokens are called
  setting_.token_text = [](std::int64_t id) { return "<" + std::to_string(id) + ">"; };
  const types::LayerProfile profile = run(options);
  ASSERT_EQ(profile.token_maps.size(), 2U);
  const types::TokenMap& map = profile.token_maps[0];
  const auto is_shown = [&](const data::Document& candidate) {
    std::vector<std::string> tokens;
    for (const std::int64_t id : candidate.ids) tokens.push_back(setting_.token_text(id));
    return tokens == map.tokens;
  };
  const auto found = std::find_if(dataset_.documents.begin(), dataset_.documents.end(), is_shown);
  ASSERT_NE(found, dataset_.documents.end());
  const data::Document& document = *found;
  ASSERT_EQ(map.deviation.size(), static_cast<std::size_t>(kBlocks + 1));
  const at::Tensor states = hidden_states(document);
  const SemanticBasis basis(graph_.head_weight(), kVocabulary);
  const at::Tensor every_word = basis.unit_rows(torch::arange(kVocabulary));
  const torch::NoGradGuard no_grad;
  for (std::size_t t = 0; t < document.ids.size(); ++t) {
    const std::int64_t label = document.labels[t];
    EXPECT_EQ(map.tokens[t], setting_.token_text(document.ids[t]));
    EXPECT_EQ(map.labels[t], label == tensor::kNoLabel ? "" : setting_.token_text(label));
    for (std::int64_t space = 0; space <= kBlocks; ++space) {
      const double shown = map.deviation[static_cast<std::size_t>(space)][t];
      if (label == tensor::kNoLabel) {
        EXPECT_EQ(shown, -1.0);
        continue;
      }
      const at::Tensor state =
          graph_.final_norm(states[space][static_cast<std::int64_t>(t)].unsqueeze(0));
      const at::Tensor cosines = every_word.matmul(state.t()).squeeze(1) / state.norm();
      EXPECT_NEAR(shown, 1.0 - cosines[label].item<double>(), 1e-5);
      // Of all words, but for those that the head finds hardly likely.
      EXPECT_EQ(map.nearest[static_cast<std::size_t>(space)][t],
          setting_.token_text(cosines.argmax().item<std::int64_t>()));
    }
  }
  options.token_maps = 0;
  EXPECT_TRUE(run(options).token_maps.empty());
}

}  // namespace
}  // namespace salf::calibration
