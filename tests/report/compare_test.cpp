#include "report/compare/compare.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "core/random.h"
#include "sample.h"
#include "support/expect_error.h"

namespace salf::report {
namespace {

using ::testing::HasSubstr;

constexpr int kDocuments = 60;

// Two evaluations of the same documents: document d has its own difficulty, and each model its own
// noise.
struct Pair {
  Comparable base, new_one;
};

types::EvaluationRecord evaluation(const types::DocumentLosses& losses) {
  types::EvaluationRecord record;
  record.split = "test";
  const types::LossSummary summary = types::summarize(losses);
  record.tokens.documents = static_cast<std::int64_t>(losses.documents.size());
  record.tokens.loss = summary.loss;
  record.tokens.standard_error = summary.loss_error;
  record.tokens.accuracy = summary.accuracy;
  record.losses = losses;
  return record;
}

// shift: how much worse the new one really is, a token.
Pair simulate(core::Random& random, double noise, double shift) {
  types::DocumentLosses base, other;
  for (int document = 0; document < kDocuments; ++document) {
    const double tokens = 20.0 + static_cast<double>(random.below(80));
    const double level = 2.5 + 0.8 * random.normal();
    for (types::DocumentLosses* side : {&base, &other}) {
      side->documents.push_back(std::to_string(document));
      side->tokens.push_back(tokens);
      side->correct.push_back(std::floor(0.5 * tokens));
      side->loss.push_back(std::max(
          0.0, tokens * (level + noise * random.normal() + (side == &other ? shift : 0.0))));
    }
  }
  Pair pair;
  pair.base.evaluation = evaluation(base);
  pair.new_one.evaluation = evaluation(other);
  return pair;
}

// The error of the difference of two such models: tokens' weights make it a little larger than
// noise·√(2/n).
double error_of_difference(double noise) {
  core::Random random(5, "error");
  double sum = 0.0;
  constexpr int kTries = 4000;
  for (int i = 0; i < kTries; ++i) {
    const Pair pair = simulate(random, noise, 0.0);
    sum += std::pow(
        paired_loss(*pair.base.evaluation->losses, *pair.new_one.evaluation->losses).difference, 2);
  }
  return std::sqrt(sum / kTries);
}

int regressions(
    int pairs, double noise, double shift, std::uint64_t seed, const LimitTexts& limits = {}) {
  core::Random random(seed, "pairs");
  int found = 0;
  for (int i = 0; i < pairs; ++i) {
    const Pair pair = simulate(random, noise, shift);
    found += compare(pair.base, pair.new_one, limits).regression ? 1 : 0;
  }
  return found;
}

// 5 % and 90 % by construction, so that of 100 pairs chance gives a few more or less: 2,000 show
// the rates.
TEST(Compare, CallsFewEqualRunsARegression) {
  EXPECT_LE(regressions(100, 0.1, 0.0, 2), 5);
  const int found = regressions(2000, 0.1, 0.0, 2);
  EXPECT_LE(found, 2000 * 0.06);
  EXPECT_GE(found, 2000 * 0.04);
  LimitTexts limits;
  limits.max_loss_increase = "0.01";
  EXPECT_LE(regressions(2000, 0.1, 0.0, 2, limits), found);
}

TEST(Compare, FindsDifferencesOfThreeStandardErrors) {
  const double error = error_of_difference(0.1);
  EXPECT_GE(regressions(100, 0.1, 3.0 * error, 2), 90);
  EXPECT_GE(regressions(2000, 0.1, 3.0 * error, 2), 2000 * 0.89);
  LimitTexts limits;
  limits.max_loss_increase = "0.01";  // about half of the error
  EXPECT_GE(regressions(2000, 0.1, 3.0 * error, 2, limits), 2000 * 0.89);
}

// Unpaired, the documents' own difficulty hides the same difference.
TEST(Compare, PairingIsWhatFindsIt) {
  core::Random random(9, "unpaired");
  Pair pair = simulate(random, 0.02, 0.03);
  const Comparison paired = compare(pair.base, pair.new_one, {});
  EXPECT_TRUE(paired.regression);
  EXPECT_THAT(paired.checks.front().note, HasSubstr("paired over 60 documents"));
  pair.new_one.evaluation->losses.reset();
  EXPECT_FALSE(compare(pair.base, pair.new_one, {}).regression);
}

TEST(Compare, ALimitIsWhatMayBeLost) {
  core::Random random(9, "limit");
  const Pair pair = simulate(random, 0.02, 0.03);
  LimitTexts limits;
  limits.max_loss_increase = "0.05";
  EXPECT_FALSE(compare(pair.base, pair.new_one, limits).regression);
  limits.max_loss_increase = "0.5%";
  EXPECT_TRUE(compare(pair.base, pair.new_one, limits).regression);
}

Comparable run(double seconds = 33.25) {
  Comparable one;
  one.path = "run";
  one.run = testing::sample_run().run;
  one.run->measured_seconds.backward = seconds;
  return one;
}

TEST(Compare, ChecksTimeMemoryAndTheCut) {
  Comparable other = run(36.0);
  other.run->plan.cut = 5;
  other.run->peak_anonymous_bytes += 1000000;
  LimitTexts limits;
  limits.max_time_increase = "10%";
  limits.max_memory_increase = "2MB";
  limits.max_cut_move = 2;
  EXPECT_FALSE(compare(run(), other, limits).regression);
  limits.max_time_increase = "2s";
  EXPECT_TRUE(compare(run(), other, limits).regression);
  limits.max_time_increase = "";
  limits.max_memory_increase = "0.5MB";
  EXPECT_TRUE(compare(run(), other, limits).regression);
  limits.max_memory_increase = "";
  limits.max_cut_move = 1;
  EXPECT_TRUE(compare(run(), other, limits).regression);
  EXPECT_TRUE(compare(other, run(), limits).regression);  // up as well as down
}

TEST(Compare, ADivergedRunIsARegression) {
  Comparable other = run();
  other.run->status = types::RunStatus::kDiverged;
  EXPECT_TRUE(compare(run(), other, {}).regression);
}

TEST(Compare, RefusesWhatCannotBeCompared) {
  core::Random random(1, "refused");
  Pair pair = simulate(random, 0.1, 0.0);
  testing::expect_error(
      ErrorKind::kBadInput, "two of a kind", [&] { compare(run(), pair.new_one, {}); });
  pair.new_one.evaluation->split = "dev";
  testing::expect_error(
      ErrorKind::kBadInput, "splits", [&] { compare(pair.base, pair.new_one, {}); });
  LimitTexts limits;
  limits.max_cut_move = 1;
  testing::expect_error(
      ErrorKind::kBadInput, "--max-eof-move", [&] { compare(pair.base, pair.base, limits); });
  Comparable other = run();
  other.run->provenance.data_hash = "another";
  testing::expect_error(ErrorKind::kBadInput, "different data", [&] { compare(run(), other, {}); });
  LimitTexts accuracy;
  accuracy.max_accuracy_decrease = "1%";
  testing::expect_error(
      ErrorKind::kBadInput, "dev_losses.json", [&] { compare(run(), run(), accuracy); });
}

TEST(Limits, AreReadAsPeopleWriteThem) {
  LimitTexts limits{"0.01", "1 %", "2m", "500MB", 3};
  EXPECT_TRUE(limit_problems(limits).empty());
  limits = {"-0.01", "much", "5 apples", "10MiB", {}};
  EXPECT_EQ(limit_problems(limits).size(), 4U);
}

TEST(Student, ComesCloseToItsTable) {
  EXPECT_NEAR(student_95(1), 6.314, 1e-3);
  EXPECT_NEAR(student_95(5), 2.015, 2e-3);
  EXPECT_NEAR(student_95(10), 1.8125, 1e-3);
  EXPECT_NEAR(student_95(30), 1.6973, 1e-3);
  EXPECT_NEAR(student_95(1000000), 1.6449, 1e-3);
}

TEST(JUnit, IsEscaped) {
  Comparison comparison;
  comparison.base = "a<b>&\"\x01";
  comparison.checks.push_back(
      {"loss", "nats", 2.0, 2.1, 0.1, 0.01, 0.08, 0.05, Verdict::kRegression, "<paired>"});
  comparison.checks.push_back({"time", "s", 2.0, 2.1, 0.1, {}, {}, {}, Verdict::kInformation, ""});
  const std::string xml = junit_xml(comparison);
  EXPECT_THAT(xml,
      HasSubstr("name=\"salf compare a&lt;b&gt;&amp;&quot;\\x01 \" tests=\"1\" failures=\"1\""));
  EXPECT_THAT(xml, HasSubstr("&lt;paired&gt;</failure>"));
  EXPECT_EQ(xml.find('\x01'), std::string::npos);
}

}  // namespace
}  // namespace salf::report
