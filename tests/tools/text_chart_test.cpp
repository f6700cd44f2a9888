#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <sstream>

#include "text/show_profile.h"
#include "text/show_run.h"

namespace salf::tools {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

std::size_t widest(const std::string& text) {
  std::size_t most = 0;
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) most = std::max(most, line.size());
  return most;
}

TEST(TextCurve, FallsFromItsCornerToTheOther) {
  const std::string text = text_curve({1, 2, 3}, {3.0, 2.0, 1.0}, 30, 3);
  EXPECT_EQ(text,
      "        3 |*\n"
      "          |         *\n"
      "        1 |                  *\n"
      "          +-------------------\n"
      "           1                 3\n");
}

TEST(TextCurve, LeavesOutWhatIsNotFinite) {
  EXPECT_EQ(text_curve({1, 2}, {std::nan(""), std::nan("")}, 30, 3), "");
  EXPECT_EQ(text_curve({}, {}, 30, 3), "");
  EXPECT_THAT(text_curve({1, 2, 3}, {1.0, INFINITY, 2.0}, 40, 4), Not(HasSubstr("inf")));
  EXPECT_THAT(text_curve({5}, {1.5}, 40, 4), HasSubstr("1.5"));
}

TEST(TextBar, FillsItsShare) {
  EXPECT_EQ(text_bar(0.5, 4), "##  ");
  EXPECT_EQ(text_bar(1e-9, 4), "#   ");
  EXPECT_EQ(text_bar(0.0, 4), "    ");
  EXPECT_EQ(text_bar(std::nan(""), 4), "    ");
  EXPECT_EQ(text_bar(7.0, 4), "####");
}

types::FreezePlan plan() {
  types::FreezePlan plan;
  plan.shape.blocks = 60;
  plan.shape.parameters = 60000;
  plan.shape.block_parameters.assign(60, 1000);
  plan.shape.block_matrix_parameters = plan.shape.block_parameters;
  plan.cut = 31;
  plan.reason =
      "the embedding and blocks 0-30 of 60 are frozen: \033[31ma reason that is much longer than a "
      "line of a terminal";
  plan.budget = {600.0, types::BudgetUnit::kSeconds};
  plan.choices = {{types::Rule::kMinDeviation, types::Measure::kCosine, 31, 0.81, 30, 33}};
  for (std::int64_t cut = 0; cut < 60; ++cut) {
    types::Candidate candidate;
    candidate.cut = cut;
    candidate.steps = 1234567;
    candidate.step_seconds = 12.5 - 0.1 * static_cast<double>(cut);
    candidate.step_flops = 1e9;
    candidate.seconds = 600.0;
    candidate.flops = 1e12;
    candidate.fits = true;
    plan.candidates.push_back(candidate);
  }
  return plan;
}

TEST(PlanText, FitsTheTerminalsWidth) {
  for (const std::size_t width : {std::size_t{40}, std::size_t{60}, std::size_t{80}}) {
    const std::string text = plan_text(plan(), {width, false});
    EXPECT_LE(widest(text), width) << text;
    EXPECT_THAT(text, HasSubstr(width < 80 ? "<- chosen" : " P\n"));
    EXPECT_THAT(text, Not(HasSubstr("\033")));
  }
  EXPECT_THAT(plan_text(plan(), {80, true}), HasSubstr("\033[1m"));
}

TEST(RunText, FitsTheTerminalsWidth) {
  report::RunData run;
  run.run.emplace();
  run.run->plan = plan();
  run.run->measured_seconds.backward = 1234.5;
  run.run->before = {0, 2.5, 0.05, 1.0};
  for (std::int64_t step = 1; step < 500; ++step)
    run.metrics.steps.push_back({step, step, 1.0, 2.5, 1e-4, 0.0});
  for (const std::size_t width : {std::size_t{40}, std::size_t{80}})
    EXPECT_LE(widest(run_text(run, {width, false})), width);
}

TEST(ProfileText, FitsNarrowTerminals) {
  types::LayerProfile profile;
  types::Deviation measured;
  measured.deviation = {0.9, 0.5, 0.4};
  measured.standard_error = {0.1, 0.1, 0.1};
  measured.gain = {0.4, 0.1};
  measured.gain_error = {0.1, 0.1};
  profile.deviations = {measured};
  for (const std::size_t width : {std::size_t{40}, std::size_t{60}}) {
    const std::string text = profile_text(
        profile, {{types::Rule::kMinDeviation, types::Measure::kCosine, 1, 0.8, 1, 1}}, width);
    EXPECT_LE(widest(text), width) << text;
    EXPECT_THAT(text, HasSubstr("min-deviation"));
  }
}

}  // namespace
}  // namespace salf::tools
