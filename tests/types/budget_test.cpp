#include "salf/types/budget.h"

#include "support/sample_documents.h"

namespace salf::types {
namespace {

struct Form {
  const char* text;
  BudgetUnit unit;
  double amount;
};

TEST(ParseBudget, ReadsEveryForm) {
  const std::vector<Form> forms = {
      {"90", BudgetUnit::kSeconds, 90},           {"90s", BudgetUnit::kSeconds, 90},
      {"3m", BudgetUnit::kSeconds, 180},          {"3min", BudgetUnit::kSeconds, 180},
      {" 3 Minutes ", BudgetUnit::kSeconds, 180}, {"1h30m", BudgetUnit::kSeconds, 5400},
      {"1h 0m 5s", BudgetUnit::kSeconds, 3605},   {"1.5h", BudgetUnit::kSeconds, 5400},
      {"2H", BudgetUnit::kSeconds, 7200},         {"1d", BudgetUnit::kSeconds, 86400},
      {"40%", BudgetUnit::kShare, 0.4},           {"1e15FLOP", BudgetUnit::kFlops, 1e15},
      {"2PFLOP", BudgetUnit::kFlops, 2e15},       {"2pflops", BudgetUnit::kFlops, 2e15},
      {"3 EFLOPs", BudgetUnit::kFlops, 3e18},     {"50000tokens", BudgetUnit::kTokens, 50000},
      {"5e4Tokens", BudgetUnit::kTokens, 50000},  {"200steps", BudgetUnit::kSteps, 200},
      {"1step", BudgetUnit::kSteps, 1},           {"3epochs", BudgetUnit::kEpochs, 3},
      {"0.5epoch", BudgetUnit::kEpochs, 0.5},
  };
  for (const Form& form : forms) {
    SCOPED_TRACE(form.text);
    const Budget budget = parse_budget(form.text);
    EXPECT_EQ(budget.unit, form.unit);
    EXPECT_DOUBLE_EQ(budget.amount, form.amount);
  }
}

TEST(ParseBudget, RefusesWhatIsNoBudgetAndListsTheForms) {
  for (const char* text :
       {"", " ", "s", "-5s", "0", "0%", "nan", "inf", "1e400", "5 parsecs", "1m1h", "1h1h", "5%5%",
        "1h30", "1.5steps", "0.5tokens", "1e20s", "3,5h", "++3"}) {
    SCOPED_TRACE(text);
    support::expect_error(ErrorKind::kUsage,
                          {std::string("\"") + text + "\"", "1h30m", "2PFLOP", "200steps"},
                          [&] { parse_budget(text); });
  }
}

TEST(ParseBudget, SaysWhatEnergyMoneyAndRatesAre) {
  for (const char* text : {"5USD", "0.3kWh", "5$", "200J", "3 euros"}) {
    SCOPED_TRACE(text);
    support::expect_error(ErrorKind::kUsage, {"not supported yet", "40%"},
                          [&] { parse_budget(text); });
  }
  support::expect_error(ErrorKind::kUsage, {"rate"}, [] { parse_budget("1TFLOP/s"); });
}

TEST(FormatBudget, WritesWhatParseReads) {
  EXPECT_EQ(format_budget({180, BudgetUnit::kSeconds}), "3m");
  EXPECT_EQ(format_budget({5400, BudgetUnit::kSeconds}), "1h30m");
  EXPECT_EQ(format_budget({3605, BudgetUnit::kSeconds}), "1h5s");
  EXPECT_EQ(format_budget({2.5, BudgetUnit::kSeconds}), "2.5s");
  EXPECT_EQ(format_budget({0.4, BudgetUnit::kShare}), "40%");
  EXPECT_EQ(format_budget({2e15, BudgetUnit::kFlops}), "2PFLOP");
  EXPECT_EQ(format_budget({50000, BudgetUnit::kTokens}), "50000tokens");
  core::Random random(7, "budgets");
  for (const auto& unit : enum_names(BudgetUnit{})) {
    for (int i = 0; i < 200; ++i) {
      Budget budget{std::exp(25.0 * random.uniform()), unit.value};
      if (unit.value == BudgetUnit::kTokens || unit.value == BudgetUnit::kSteps) {
        budget.amount = std::ceil(budget.amount);
      }
      const std::string text = format_budget(budget);
      SCOPED_TRACE(text);
      const Budget again = parse_budget(text);
      EXPECT_EQ(again.unit, budget.unit);
      EXPECT_NEAR(again.amount, budget.amount, 1e-5 * budget.amount);
    }
  }
}

}  // namespace
}  // namespace salf::types
