#include "types/evaluation.h"

#include <gtest/gtest.h>

#include <cmath>

#include "core/json.h"
#include "support/expect_error.h"
#include "support/temporary_folder.h"

namespace salf::types {
namespace {

DocumentLosses losses() {
  return {{"a", "b", "c"}, {10.0, 6.0, 9.0}, {2.0, 1.0, 3.0}, {5.0, 3.0, 4.0}};
}

TEST(Evaluation, SurvivesItsFile) {
  const testing::TemporaryFolder folder;
  EvaluationRecord record;
  record.split = "test";
  record.tokens.loss = {2.5, std::nan(""), std::nan("")};  // one document: no interval
  record.losses = losses();
  core::write_document(folder / "eval.json", record);
  const EvaluationRecord read = read_evaluation(folder / "eval.json");
  EXPECT_EQ(read.tokens.loss.value, 2.5);
  EXPECT_TRUE(std::isnan(read.tokens.loss.low));
  EXPECT_EQ(read.losses->documents, losses().documents);
  EXPECT_EQ(read.losses->loss, losses().loss);
}

TEST(Evaluation, RefusesLossesThatDoNotFitTogether) {
  DocumentLosses shorter = losses();
  shorter.tokens.pop_back();
  testing::expect_error(ErrorKind::kBadInput, "one length", [&] { check(shorter, "eval.json"); });
  DocumentLosses twice = losses();
  twice.documents[2] = "a";
  testing::expect_error(ErrorKind::kBadInput, "twice", [&] { check(twice, "eval.json"); });
  DocumentLosses lucky = losses();
  lucky.correct[1] = 4.0;
  testing::expect_error(
      ErrorKind::kBadInput, "more than the document's tokens", [&] { check(lucky, "eval.json"); });
  DocumentLosses negative = losses();
  negative.loss[0] = -1.0;
  testing::expect_error(ErrorKind::kBadInput, "loss", [&] { check(negative, "eval.json"); });
  EvaluationRecord record;
  record.tokens.loss.value = std::nan("");
  testing::expect_error(ErrorKind::kBadInput, "tokens.loss", [&] { check(record, "eval.json"); });
}

// The ratio estimator by hand: mean 25/12, residuals S − mean·n.
TEST(Evaluation, SummaryIsTheClusteredMean) {
  const LossSummary summary = summarize(losses());
  const double mean = 25.0 / 12.0;
  double squares = 0.0;
  for (std::size_t i = 0; i < 3; ++i)
    squares += std::pow(losses().loss[i] - mean * losses().tokens[i], 2);
  EXPECT_NEAR(summary.loss.value, mean, 1e-12);
  EXPECT_NEAR(summary.loss_error, std::sqrt(3.0 / 2.0 * squares) / 12.0, 1e-12);
  EXPECT_NEAR(summary.accuracy.value, 0.5, 1e-12);
}

}  // namespace
}  // namespace salf::types
