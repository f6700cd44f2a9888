#include "types/budget.h"

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
      {"90", BudgetUnit::kSeconds, 90},
      {"90s", BudgetUnit::kSeconds, 90},
      {"3m", BudgetUnit::kSeconds, 180},
      {"3min", BudgetUnit::kSeconds, 180},
      {" 3 Minutes ", BudgetUnit::kSeconds, 180},
      {"1h30m", BudgetUnit::kSeconds, 5400},
      {"1h 0m 5s", BudgetUnit::kSeconds, 3605},
      {"1.5h", BudgetUnit::kSeconds, 5400},
      {"2H", BudgetUnit::kSeconds, 7200},
      {"1d", BudgetUnit::kSeconds, 86400},
      {"40%", BudgetUnit::kShare, 0.4},
      {"1e15FLOP", BudgetUnit::kFlops, 1e15},
      {"2PFLOP", BudgetUnit::kFlops, 2e15},
      {"2pflops", BudgetUnit::kFlops, 2e15},
      {"3 EFLOPs", BudgetUnit::kFlops, 3e18},
      {"50000tokens", BudgetUnit::kTokens, 50000},
      {"5e4Tokens", BudgetUnit::kTokens, 50000},
      {"200steps", BudgetUnit::kSteps, 200},
      {"1step", BudgetUnit::kSteps, 1},
      {"3epochs", BudgetUnit::kEpochs, 3},
      {"0.5epoch", BudgetUnit::kEpochs, 0.5},
      {"0.3kWh", BudgetUnit::kJoules, 1.08e6},
      {"200 Wh", BudgetUnit::kJoules, 7.2e5},
      {"200J", BudgetUnit::kJoules, 200},
      {"1MJ", BudgetUnit::kJoules, 1e6},
      {"5kJ", BudgetUnit::kJoules, 5000},
      {"3joules", BudgetUnit::kJoules, 3},
  };
  for (const Form& form : forms) {
    SCOPED_TRACE(form.text);
    const Budget budget = parse_budget(form.text);
    EXPECT_EQ(budget.unit, form.unit);
    EXPECT_DOUBLE_EQ(budget.amount, form.amount);
  }
}

TEST(ParseBudget, RefusesWhatIsNoBudgetAndListsTheForms) {
  for (const char* text : {"", " ", "s", "-5s", "0", "0%", "nan", "inf", "1e400", "5 parsecs",
           "1m1h", "1h1h", "5%5%", "1h30", "1.5steps", "0.5tokens", "1e20s", "3,5h", "++3"}) {
    SCOPED_TRACE(text);
    support::expect_error(ErrorKind::kUsage,
        {std::string("\"") + text + "\"", "1h30m", "2PFLOP", "200steps"},
        [&] { parse_budget(text); });
  }
}

TEST(ParseBudget, ReadsMoneyByCodeSignAndWord) {
  const std::vector<std::pair<const char*, Budget>> forms = {
      {"5USD", {5.0, BudgetUnit::kMoney, "USD"}},
      {"3.50 EUR", {3.5, BudgetUnit::kMoney, "EUR"}},
      {"600JPY", {600.0, BudgetUnit::kMoney, "JPY"}},
      {"$5", {5.0, BudgetUnit::kMoney, "USD"}},
      {" € 0.5", {0.5, BudgetUnit::kMoney, "EUR"}},
      {"3 euros", {3.0, BudgetUnit::kMoney, "EUR"}},
      {"600円", {600.0, BudgetUnit::kMoney, "JPY"}},
      {"7 CZK", {7.0, BudgetUnit::kMoney, "CZK"}},
      {"5usd", {5.0, BudgetUnit::kMoney, "USD"}},
  };
  for (const auto& [text, expected] : forms) {
    SCOPED_TRACE(text);
    const Budget budget = parse_budget(text);
    EXPECT_EQ(budget.unit, BudgetUnit::kMoney);
    EXPECT_DOUBLE_EQ(budget.amount, expected.amount);
    EXPECT_EQ(budget.currency, expected.currency);
    EXPECT_FALSE(budget.deterministic());
  }
}

TEST(ParseBudget, RefusesOddMoneyAndRates) {
  // A word in small letters is no currency that nobody knows.
  for (const char* text :
      {"5czk", "5cents", "0USD", "-1USD", "1USD1USD", "USD", "$", "5KRONA", "1h5USD"}) {
    SCOPED_TRACE(text);
    support::expect_error(ErrorKind::kUsage, {"600JPY"}, [&] { parse_budget(text); });
  }
  support::expect_error(ErrorKind::kUsage, {"rate"}, [] { parse_budget("1TFLOP/s"); });
}

TEST(Budget, IsOfOneKind) {
  const auto kind = [](const char* text) { return parse_budget(text).kind(); };
  EXPECT_EQ(kind("3m"), BudgetKind::kClock);
  for (const char* text : {"2kWh", "5USD"}) EXPECT_EQ(kind(text), BudgetKind::kPriced) << text;
  for (const char* text : {"40%", "2PFLOP"}) EXPECT_EQ(kind(text), BudgetKind::kWork) << text;
  for (const char* text : {"200steps", "50tokens", "3epochs"})
    EXPECT_EQ(kind(text), BudgetKind::kCounted) << text;
  EXPECT_DOUBLE_EQ(parse_budget("3m").clock_seconds(), 180.0);
  EXPECT_DOUBLE_EQ(parse_budget("3epochs").clock_seconds(), 0.0);
}

TEST(Budget, TimesKeepsStepsWhole) {
  EXPECT_DOUBLE_EQ(parse_budget("3m").times(0.5).amount, 90.0);
  EXPECT_DOUBLE_EQ(parse_budget("7steps").times(0.5).amount, 3.0);
  EXPECT_DOUBLE_EQ(parse_budget("1token").times(0.25).amount, 1.0);
  const Budget priced{2.0, BudgetUnit::kMoney, "USD", 600.0};
  EXPECT_DOUBLE_EQ(priced.times(2.0).clock_seconds(), 1200.0);
}

TEST(ParseBytes, ReadsPowersOfTenAndTwo) {
  EXPECT_DOUBLE_EQ(parse_bytes("4GiB"), 4294967296.0);
  EXPECT_DOUBLE_EQ(parse_bytes("500 MB"), 5e8);
  EXPECT_DOUBLE_EQ(parse_bytes("1.5g"), 1.5e9);
  EXPECT_DOUBLE_EQ(parse_bytes("2000000000"), 2e9);
  EXPECT_DOUBLE_EQ(parse_bytes("7b"), 7.0);
  for (const char* text :
      {"", "GB", "-1GB", "0", "4Gib/s", "4PiB", "nan", "inf", "1e300TB", "4GG"}) {
    SCOPED_TRACE(text);
    support::expect_error(ErrorKind::kUsage, {"4GiB"}, [&] { parse_bytes(text); });
  }
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
      if (unit.value == BudgetUnit::kMoney) budget.currency = "USD";
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
