#include "train/evaluate.h"

#include <ATen/Functions.h>
#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <gtest/gtest.h>

#include <cmath>

#include "training_setup.h"

namespace salf::train {
namespace {

// One document through the whole model, alone and without padding.
DocumentLoss alone(const TinyRun& setup, const data::Document& document) {
  const at::NoGradGuard quiet;
  tensor::Batch batch;
  batch.ids = at::tensor(document.ids, at::kLong).unsqueeze(0);
  const at::Tensor scores = at::log_softmax(setup.model.forward(batch)[0].to(at::kDouble), 1);
  DocumentLoss sums;
  for (std::size_t t = 0; t < document.labels.size(); ++t) {
    if (document.labels[t] == tensor::kNoLabel) continue;
    const at::Tensor row = scores[static_cast<std::int64_t>(t)];
    sums.loss -= row[document.labels[t]].item<double>();
    sums.correct += row.argmax().item<std::int64_t>() == document.labels[t] ? 1.0 : 0.0;
    sums.tokens += 1.0;
  }
  return sums;
}

// The losses that `batcher` gives are those of the documents alone.
void expect_whole_model(const TinyRun& setup, const data::Batcher& batcher) {
  core::Progress progress;
  const auto [stopped, result, documents] = evaluate(setup.graph, batcher, {}, progress);
  EXPECT_FALSE(stopped);
  double loss = 0.0, correct = 0.0, tokens = 0.0;
  for (const DocumentLoss& ours : documents) {
    const DocumentLoss theirs =
        alone(setup, setup.dataset.documents[static_cast<std::size_t>(ours.document)]);
    EXPECT_NEAR(ours.loss, theirs.loss, 1e-4);
    EXPECT_EQ(ours.tokens, theirs.tokens);
    loss += theirs.loss;
    correct += theirs.correct;
    tokens += theirs.tokens;
  }
  EXPECT_NEAR(result.loss.value, loss / tokens, 1e-5);
  EXPECT_NEAR(result.perplexity.value, std::exp(loss / tokens), 1e-3);
  EXPECT_NEAR(result.accuracy.value, correct / tokens, 1e-9);
  EXPECT_EQ(result.supervised_tokens, static_cast<std::int64_t>(tokens));
  EXPECT_EQ(result.documents, static_cast<std::int64_t>(documents.size()));
  EXPECT_LT(result.loss.low, result.loss.value);
  EXPECT_NEAR(
      result.loss.high - result.loss.low, 2.0 * 1.959963984540054 * result.standard_error, 1e-12);
}

TEST(Evaluate, EqualsTheWholeModelDocumentByDocument) {
  const TinyRun setup;
  expect_whole_model(setup, setup.train_batches);
}

TEST(Evaluate, PackedDocumentsHaveTheirOwnLosses) {
  const TinyRun setup;
  const auto all = setup.dataset.indices(data::Split::kAll);
  for (const std::int64_t pack : {20, 64})
    expect_whole_model(setup, data::Batcher(setup.dataset, all, {64, pack}, 0));
}

TEST(Evaluate, PackedRowsComeFromTheCache) {
  const TinyRun setup;
  const TemporaryFolder folder;
  const data::Batcher packed(setup.dataset, setup.dataset.indices(data::Split::kAll), {64, 32}, 0);
  PrefixCache cache(setup.graph, packed, packed.epoch(1, 0),
      {2, types::CacheType::kFloat32, folder.path(), "", {}});
  EvaluateOptions cached;
  cached.cut = 2;
  cached.cache = &cache;
  core::Progress progress;
  const auto fresh = evaluate(setup.graph, packed, {}, progress);
  for (int pass = 0; pass < 2; ++pass) {
    const auto again = evaluate(setup.graph, packed, cached, progress);
    EXPECT_NEAR(again.evaluation.loss.value, fresh.evaluation.loss.value, 1e-6);
  }
  EXPECT_TRUE(cache.complete());
}

TEST(Evaluate, EndsWithoutResultWhenToldTo) {
  const TinyRun setup;
  int asked = 0;
  EvaluateOptions options;
  options.keep_going = [&] { return ++asked < 3; };
  core::Progress progress;
  EXPECT_TRUE(evaluate(setup.graph, setup.train_batches, options, progress).stopped);
  EXPECT_EQ(asked, 3);
}

TEST(Evaluate, ChoosesTheLikeliestOptionPerByte) {
  const TinyRun setup;
  std::vector<data::ChoiceRow> rows;
  std::int64_t expected = 0;
  for (std::int64_t i = 0; i < 20; ++i) {
    data::ChoiceRow row;
    double best = -1e300;
    std::int64_t likeliest = 0;
    for (std::int64_t option = 0; option < 4; ++option) {
      row.options.push_back(
          setup.dataset.documents[static_cast<std::size_t>(3 * i + (option % 3))]);
      row.option_bytes.push_back(3 + 2 * ((i + option) % 4));
      const double score =
          -alone(setup, row.options.back()).loss / static_cast<double>(row.option_bytes.back());
      if (score > best) {
        best = score;
        likeliest = option;
      }
    }
    row.answer = i % 4;
    expected += likeliest == row.answer ? 1 : 0;
    rows.push_back(row);
  }
  core::Progress progress;
  for (const std::int64_t batch_tokens : {1, 45, 1000}) {
    const ChoiceEvaluation result = evaluate_choices(setup.graph, rows, batch_tokens, {}, progress);
    EXPECT_EQ(result.rows, 20);
    EXPECT_EQ(result.correct, expected);
  }
}

TEST(Evaluate, NothingToEvaluateGivesNoFigures) {
  const TinyRun setup;
  const data::Batcher none(setup.dataset, {}, {64, 0}, 0);
  core::Progress progress;
  const Evaluation result = evaluate(setup.graph, none, {}, progress).evaluation;
  EXPECT_TRUE(std::isnan(result.loss.value));
  EXPECT_EQ(result.documents, 0);
  EXPECT_TRUE(std::isnan(evaluate_choices(setup.graph, {}, 64, {}, progress).accuracy.value));
}

TEST(Wilson, EqualsThePublishedExample) {
  // Newcombe 1998, table I: 15 of 148 gives 0.0624 … 0.1605, 0 of 20 gives 0 … 0.1611.
  const Figure some = wilson(15, 148);
  EXPECT_NEAR(some.low, 0.0624, 5e-5);
  EXPECT_NEAR(some.high, 0.1605, 5e-5);
  const Figure none = wilson(0, 20);
  EXPECT_NEAR(none.low, 0.0, 1e-12);
  EXPECT_NEAR(none.high, 0.1611, 5e-5);
}

}  // namespace
}  // namespace salf::train
