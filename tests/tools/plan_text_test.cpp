#include "text/plan_text.h"

#include <sstream>

#include "cost/money.h"
#include "cost/scale.h"
#include "policy/plan.h"
#include "support/sample_documents.h"
#include "types/budget.h"

namespace salf::tools {
namespace {

types::FreezePlan plan(const std::string& budget, bool with_loss) {
  types::LayerProfile profile = support::sample_profile(support::curve_with_drop(30, 20));
  if (with_loss) {
    std::vector<double> loss(31, 9.0);
    loss.back() = 2.0;
    profile.deviations.push_back(support::sample_deviation(loss, 0.05));
    profile.deviations.back().measure = types::Measure::kLoss;
  }
  policy::Evidence evidence;
  evidence.data = support::sample_data();
  evidence.cost = support::sample_cost();
  evidence.cost.activation_bytes = 13e3;
  evidence.cost.base_bytes = 5e8;
  policy::Limits limits;
  limits.rule = types::Rule::kPredicted;
  evidence.basis.prior = policy::read_prior("");
  types::Rates rates;
  rates.watts = 100.0;
  rates.watts_basis = "as given";
  rates.gco2_per_kwh = 400.0;
  rates.price_per_hour = 3.6;
  rates.currency = "EUR";
  evidence.rates = rates;
  evidence.profile = profile;
  return policy::plan(evidence, cost::resolve_budget(types::parse_budget(budget), rates), limits);
}

TEST(PlanText, StaysWithin80Columns) {
  for (const char* budget :
      {"4m", "3h", "50%", "20000steps", "3epochs", "0.05kWh", "1.25EUR", "10s"}) {
    for (const bool with_loss : {false, true}) {
      const types::FreezePlan one = plan(budget, with_loss);
      std::istringstream text(plan_summary(one) + plan_table(one));
      for (std::string line; std::getline(text, line);)
        EXPECT_LE(line.size(), 80U) << budget << ": " << line;
    }
  }
}

TEST(PlanText, TellsThePlanAndWhatItRestsOn) {
  const types::FreezePlan one = plan("1.25EUR", true);
  const std::string summary = plan_summary(one), table = plan_table(one);
  EXPECT_THAT(summary, ::testing::AllOf(::testing::HasSubstr("1.25EUR, 20 min 50 s at these rates"),
                           ::testing::HasSubstr("it rests on"), ::testing::HasSubstr("estimated"),
                           ::testing::HasSubstr(" EUR"), ::testing::HasSubstr("g CO2")));
  EXPECT_THAT(
      table, ::testing::AllOf(::testing::HasSubstr("2.5EUR"), ::testing::HasSubstr("0.625EUR"),
                 ::testing::HasSubstr("# P"), ::testing::HasSubstr("<- plan")));
}

TEST(PlanText, ShowsRanks) {
  types::FreezePlan one = plan("20m", true);
  EXPECT_EQ(scale_table(one), "");
  EXPECT_EQ(plan_summary(one).find("ranks"), std::string::npos);
  one.shards = 4;
  one.accumulate = 8;
  one.scale = *cost::forecast(one, {64, "25Gb/s", types::ShardOptimizer::kAuto});
  EXPECT_THAT(plan_summary(one), ::testing::HasSubstr("4, each with its own part of the rows"));
  const std::string table = scale_table(one);
  EXPECT_THAT(table, ::testing::HasSubstr("\n    64 "));
  EXPECT_THAT(table, ::testing::HasSubstr("25Gb/s"));
  std::istringstream lines(table);
  for (std::string line; std::getline(lines, line);) EXPECT_LE(line.size(), 80U) << line;
}

TEST(PlanText, PrintsNoControlCharactersOutOfAFile) {
  types::FreezePlan one = plan("20m", true);
  one.reason = "a\x1b[31mred\nreason";
  one.notes = {"note\x07"};
  one.prediction_basis = "\x1b]0;title\x07";
  const std::string text = plan_summary(one) + plan_table(one);
  EXPECT_EQ(text.find('\x1b'), std::string::npos);
  EXPECT_EQ(text.find('\x07'), std::string::npos);
  one.candidates.clear();
  EXPECT_EQ(plan_table(one), "");
}

}  // namespace
}  // namespace salf::tools
