#include "app/planning/pilot.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

#include "core/error.h"

namespace salf::app {
namespace {

// 400 documents of 1 … 400 tokens: a fifth dev, a tenth test.
data::Dataset documents() {
  data::Dataset all;
  all.hash = "hash";
  for (std::int64_t i = 0; i < 400; ++i) {
    data::Document document;
    document.ids.assign(static_cast<std::size_t>(i + 1), 7);
    document.labels = document.ids;
    all.documents.push_back(document);
    all.splits.push_back(i % 10 < 2    ? data::Split::kDev
                         : i % 10 == 2 ? data::Split::kTest
                                       : data::Split::kTrain);
  }
  return all;
}

std::set<std::size_t> lengths(const data::Dataset& dataset) {
  std::set<std::size_t> found;
  for (const data::Document& document : dataset.documents) found.insert(document.ids.size());
  return found;
}

TEST(Pilot, ShareIsAPercentageOrANumber) {
  EXPECT_DOUBLE_EQ(pilot_share("5%"), 0.05);
  EXPECT_DOUBLE_EQ(pilot_share("0.25"), 0.25);
  for (const char* text : {"", "%", "0", "0%", "100%", "1", "-5%", "5%%", "five", "nan", "5 % "})
    EXPECT_THROW(pilot_share(text), Error) << text;
}

TEST(Pilot, SampleHasItsShareOfEachSplitAndIsTheSameForTheSameSeed) {
  const data::Dataset all = documents();
  const data::Dataset sample = pilot_sample(all, 0.15, 3);
  EXPECT_EQ(sample.indices(data::Split::kTrain).size(), 42U);
  EXPECT_EQ(sample.indices(data::Split::kDev).size(), 12U);
  EXPECT_EQ(sample.indices(data::Split::kTest).size(), 6U);
  EXPECT_EQ(sample.hash, all.hash);
  EXPECT_EQ(lengths(pilot_sample(all, 0.15, 3)), lengths(sample));
  EXPECT_NE(lengths(pilot_sample(all, 0.15, 4)), lengths(sample));
  // A document keeps its split.
  for (std::size_t i = 0; i < sample.documents.size(); ++i) {
    EXPECT_EQ(sample.splits[i], all.splits[sample.documents[i].ids.size() - 1]);
  }
}

TEST(Pilot, ASmallShareKeepsAFewDocumentsToTrainOnAndToEvaluate) {
  const data::Dataset sample = pilot_sample(documents(), 0.001, 1);
  EXPECT_EQ(sample.indices(data::Split::kTrain).size(), 8U);
  EXPECT_EQ(sample.indices(data::Split::kDev).size(), 8U);
}

TEST(Pilot, TakesItsShareOfBudgetsThatAreAmounts) {
  const auto budget = [](const char* text) {
    return types::format_budget(pilot_budget(types::parse_budget(text), 0.05));
  };
  EXPECT_EQ(budget("1h"), "3m");
  EXPECT_EQ(budget("1000steps"), "50steps");
  EXPECT_EQ(budget("3steps"), "1steps");
  EXPECT_EQ(budget("3epochs"), "3epochs");
  EXPECT_EQ(budget("40%"), "40%");
  EXPECT_EQ(pilot_min_steps(50, 0.05), 3);
  EXPECT_EQ(pilot_min_steps(2, 0.05), 1);
}

TEST(Pilot, ThePaceCorrectsTheTimeOrTheSteps) {
  types::RunRecord run;
  run.pilot.emplace();
  run.pilot->full_seconds = 120.0;
  run.plan.steps = 10;
  run.plan.predicted_seconds.backward = 10.0;
  run.plan.predicted_seconds.fixed = 5.0;
  run.steps = 8;
  run.measured_seconds.backward = 16.0;  // twice as slow
  run.measured_seconds.evaluation = 3.0;
  types::FreezePlan full;
  full.steps = 100;
  full.predicted_seconds.backward = 100.0;
  full.predicted_seconds.fixed = 20.0;
  full.budget = {100.0, types::BudgetUnit::kSteps};
  add_pace(run, full);
  EXPECT_DOUBLE_EQ(*run.pilot->pace, 2.0);
  EXPECT_DOUBLE_EQ(*run.pilot->full_seconds_at_pace, 220.0);
  EXPECT_EQ(*run.pilot->full_steps_at_pace, 100);
  full.budget = {120.0, types::BudgetUnit::kSeconds};
  add_pace(run, full);
  EXPECT_DOUBLE_EQ(*run.pilot->full_seconds_at_pace, 120.0);
  EXPECT_EQ(*run.pilot->full_steps_at_pace, 50);
}

}  // namespace
}  // namespace salf::app
