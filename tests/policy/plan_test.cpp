#include "cost/estimate.h"
#include "policy/advice.h"
#include "policy/plan_request.h"
#include "types/budget.h"
#include "types/validate.h"

namespace salf::policy {
namespace {

using support::expect_error;
using types::BudgetUnit;
using types::Rule;

constexpr std::int64_t kStart = 20;  // max-gain's layer of profile()

types::LayerProfile profile() {
  return support::sample_profile(support::curve_with_drop(30, kStart));
}

PlanRequest inputs(const std::string& budget) {
  PlanRequest inputs;
  inputs.budget = types::parse_budget(budget);
  inputs.evidence.data = support::sample_data();
  inputs.evidence.cost = support::sample_cost();
  inputs.evidence.spent.seconds = 20.0;
  inputs.limits.rule = Rule::kBudget;
  inputs.limits.min_steps = 50;  // what the budgets below were chosen for
  return inputs;
}

// What the plan predicts of the budget's own quantity.
double predicted(const types::FreezePlan& plan) {
  switch (plan.budget.unit) {
    case BudgetUnit::kSeconds: return plan.predicted_seconds.total();
    case BudgetUnit::kTokens: return static_cast<double>(plan.tokens);
    case BudgetUnit::kSteps: return static_cast<double>(plan.steps);
    case BudgetUnit::kEpochs: return plan.epochs;
    default: return plan.predicted_flops.total();
  }
}

Terms terms_of(const PlanRequest& asked) {
  const Evidence& evidence = asked.evidence;
  return {asked.budget, evidence.data, evidence.batches, evidence.spent, asked.limits.min_steps,
      asked.limits.max_epochs};
}

double limit(const types::FreezePlan& plan, const PlanRequest& asked) {
  const bool flops =
      plan.budget.unit == BudgetUnit::kFlops || plan.budget.unit == BudgetUnit::kShare;
  return flops ? budget_flops(plan.shape, terms_of(asked)) : plan.budget.amount;
}

TEST(Planner, AShortBudgetKeepsMaxGainsLayerAndALongOneReachesTheShallowBlocks) {
  const auto profile_of_test = profile();
  // A step at cut 20: about 4.4 s; full tuning: about 8 s.
  const auto small = make_plan(profile_of_test, inputs("260s"));
  EXPECT_EQ(small.cut, kStart);
  EXPECT_FALSE(small.smallest_budget.has_value());
  const auto large = make_plan(profile_of_test, inputs("2h"));
  EXPECT_EQ(large.cut, 0);
  EXPECT_LE(large.steps, 450);
}

TEST(Planner, TheChoiceIsTheShallowestThatPaysForTheSteps) {
  for (const char* budget : {"5m", "6m", "7m", "8m", "9m"}) {
    SCOPED_TRACE(budget);
    const auto plan = make_plan(profile(), inputs(budget));
    const auto& candidates = plan.candidates;
    ASSERT_EQ(candidates.size(), 30U);
    EXPECT_LE(plan.cut, kStart);
    EXPECT_TRUE(at(plan, plan.cut).fits);
    EXPECT_GE(plan.steps, 50);
    if (plan.cut > 0) {
      EXPECT_FALSE(at(plan, plan.cut - 1).fits);
      EXPECT_LT(at(plan, plan.cut - 1).steps, 50);
    }
  }
}

TEST(Planner, TheFrozenPartIsPaidForOnceWhereItsOutputIsKept) {
  PlanRequest asked = inputs("3epochs");
  asked.limits.rule = Rule::kFixed;
  asked.limits.parameters.fixed = 12;
  const auto kept = make_plan(profile(), asked);
  asked.evidence.batches.cache = false;
  const auto again = make_plan(profile(), asked);
  EXPECT_EQ(kept.steps, again.steps);
  EXPECT_NEAR(again.predicted_seconds.prefix / kept.predicted_seconds.prefix, 3.0, 1e-9);
  EXPECT_NEAR(again.predicted_flops.prefix / kept.predicted_flops.prefix, 3.0, 1e-9);
  EXPECT_DOUBLE_EQ(kept.predicted_seconds.backward, again.predicted_seconds.backward);
  // The second evaluation has 18 of the 30 blocks left.
  EXPECT_LT(kept.predicted_seconds.evaluation, again.predicted_seconds.evaluation);
}

TEST(Planner, WhatTheCacheSavesBecomesSteps) {
  PlanRequest asked = inputs("30m");
  asked.limits.rule = Rule::kFixed;
  asked.limits.parameters.fixed = 20;
  asked.limits.max_epochs = 100.0;
  const auto kept = make_plan(profile(), asked);
  asked.evidence.batches.cache = false;
  const auto again = make_plan(profile(), asked);
  ASSERT_GT(again.epochs, 1.0);
  EXPECT_GT(kept.steps, again.steps);
  EXPECT_LE(kept.predicted_seconds.total(), 1800.0);
  const double step = at(again, 20).step_seconds;
  EXPECT_GT(kept.predicted_seconds.total(), (1.0 - kTimeMargin) * 1800.0 - 2.0 * step);
}

TEST(Planner, NeverPlansMoreThanTheBudget) {
  const auto profile_of_test = profile();
  core::Random random(5, "budgets");
  const char* const units[] = {"s", "%", "TFLOP", "tokens", "steps", "epochs"};
  for (int i = 0; i < 600; ++i) {
    const std::string unit = units[i % 6];
    const double size = std::exp(8.0 * random.uniform());
    PlanRequest asked =
        inputs(std::to_string(static_cast<std::int64_t>(std::ceil(size * 20.0))) + unit);
    asked.evidence.batches.accumulate = static_cast<std::int64_t>(1 + random.below(5));
    asked.limits.rule = i % 4 == 0 ? Rule::kMinDeviation : Rule::kBudget;
    const auto plan = make_plan(profile_of_test, asked);
    SCOPED_TRACE(types::format_budget(asked.budget));
    types::check(plan, "plan");
    if (plan.smallest_budget) continue;
    EXPECT_LE(predicted(plan), limit(plan, asked) * (1.0 + 1e-9) + 0.5);
    EXPECT_GE(plan.steps, 1);
  }
}

TEST(Planner, MoreBudgetNeverFreezesDeeper) {
  const auto profile_of_test = profile();
  for (const char* unit : {"s", "%", "TFLOP"}) {
    std::int64_t last = kStart;
    for (int amount = 1; amount < 3000; amount = amount * 21 / 20 + 1) {
      const auto plan = make_plan(profile_of_test, inputs(std::to_string(amount) + unit));
      EXPECT_LE(plan.cut, last) << amount << unit;
      last = plan.cut;
    }
    EXPECT_EQ(last, 0) << unit;
  }
}

TEST(Planner, TheSmallestBudgetWorksAlsoAsText) {
  const auto profile_of_test = profile();
  for (const char* unit : {"s", "%", "TFLOP", "tokens", "epochs"}) {
    for (const std::int64_t accumulate : {1, 4, 200}) {
      for (const Rule rule : {Rule::kBudget, Rule::kFraction}) {
        PlanRequest asked = inputs(std::string("1") + unit);
        asked.budget.amount = std::min(asked.budget.amount, unit[0] == 'e' ? 1e-3 : 1e12);
        asked.evidence.batches.accumulate = accumulate;
        asked.limits.rule = rule;
        SCOPED_TRACE(std::string(unit) + " " + std::to_string(accumulate));
        const auto plan = make_plan(profile_of_test, asked);
        ASSERT_TRUE(plan.smallest_budget.has_value());
        EXPECT_NE(plan.reason, "");
        asked.budget = types::parse_budget(types::format_budget(*plan.smallest_budget));
        EXPECT_FALSE(make_plan(profile_of_test, asked).smallest_budget.has_value())
            << types::format_budget(asked.budget);
        asked.budget.amount = 0.8 * plan.smallest_budget->amount;
        EXPECT_TRUE(make_plan(profile_of_test, asked).smallest_budget.has_value());
      }
    }
  }
}

TEST(Planner, MoreThanTheEpochsGoesToDepthAndThenStaysUnused) {
  const auto plan = make_plan(profile(), inputs("10h"));
  EXPECT_EQ(plan.cut, 0);
  EXPECT_EQ(plan.steps, 450);
  EXPECT_DOUBLE_EQ(plan.epochs, 3.0);
  EXPECT_THAT(plan.reason, ::testing::HasSubstr("unused"));
}

TEST(Planner, DataThatIsTooSmallForMinStepsIsPlannedForItsEpochs) {
  PlanRequest asked = inputs("1h");
  asked.evidence.batches.accumulate = 20;  // 450 batches are 22 steps
  const auto plan = make_plan(profile(), asked);
  EXPECT_FALSE(plan.smallest_budget.has_value());
  EXPECT_EQ(plan.steps, 22);
  EXPECT_NEAR(plan.epochs, 22.0 * 20.0 / 150.0, 1e-12);
}

TEST(Planner, TheWholeShareIsFullFineTuning) {
  const auto plan = make_plan(profile(), inputs("100%"));
  EXPECT_EQ(plan.cut, 0);
  EXPECT_GE(plan.steps, 440);  // a few evaluations more than the two cost some steps
  PlanRequest asked = inputs("50%");
  const auto half = make_plan(profile(), asked);
  EXPECT_NEAR(half.budget_flops + half.predicted_flops.evaluation + half.predicted_flops.fixed,
      0.5 * budget_flops(half.shape, terms_of(inputs("100%"))), 1.0);
}

TEST(Planner, CountedBudgetsAreTheSteps) {
  const auto profile_of_test = profile();
  EXPECT_EQ(make_plan(profile_of_test, inputs("20steps")).steps, 20);
  EXPECT_EQ(make_plan(profile_of_test, inputs("7epochs")).steps, 1050);
  EXPECT_EQ(make_plan(profile_of_test, inputs("13000tokens")).steps, 15);
  const auto plan = make_plan(profile_of_test, inputs("20steps"));
  EXPECT_EQ(plan.cut, kStart);
  EXPECT_FALSE(plan.smallest_budget.has_value());
  PlanRequest asked = inputs("3epochs");
  asked.evidence.batches.accumulate = 4;
  EXPECT_EQ(make_plan(profile_of_test, asked).steps, 112);
  EXPECT_NEAR(make_plan(profile_of_test, asked).epochs, 112.0 * 4.0 / 150.0, 1e-12);
}

TEST(Planner, AnotherRulesDepthIsKept) {
  for (const auto& [rule, expected] :
      {std::pair{Rule::kMaxGain, kStart}, std::pair{Rule::kFixed, std::int64_t{7}},
          std::pair{Rule::kFraction, std::int64_t{15}}}) {
    PlanRequest asked = inputs("2h");
    asked.limits.rule = rule;
    asked.limits.parameters.fixed = 7;
    const auto plan = make_plan(profile(), asked);
    EXPECT_EQ(plan.cut, expected);
    EXPECT_EQ(plan.rule, rule);
  }
}

TEST(Planner, ReportsTheStabilityOfWhatItChose) {
  const auto plan = make_plan(profile(), inputs("8m"));
  ASSERT_FALSE(plan.choices.empty());
  EXPECT_EQ(plan.choices.back().rule, Rule::kBudget);
  EXPECT_EQ(plan.choices.back().cut, plan.cut);
  EXPECT_DOUBLE_EQ(plan.choices.back().stability, 1.0);
}

TEST(Planner, EvaluationsTakeATenthAtMostButForTheTwo) {
  const auto cheap = make_plan(profile(), inputs("1h"));
  EXPECT_GT(cheap.evaluations, 2);
  EXPECT_LE(cheap.predicted_seconds.evaluation, 360.0);
  PlanRequest asked = inputs("10m");
  asked.evidence.data.dev_padded_tokens *= 20;
  asked.evidence.data.dev_supervised_tokens *= 20;
  EXPECT_EQ(make_plan(profile(), asked).evaluations, 2);
  asked.evidence.data.dev_documents = asked.evidence.data.dev_padded_tokens =
      asked.evidence.data.dev_supervised_tokens = 0;
  EXPECT_EQ(make_plan(profile(), asked).evaluations, 0);
}

TEST(Planner, SecondsAlreadySpentArePartOfTheBudget) {
  PlanRequest asked = inputs("8m");
  const auto early = make_plan(profile(), asked);
  asked.evidence.spent.seconds += 100.0;
  const auto late = make_plan(profile(), asked);
  EXPECT_GE(late.cut, early.cut);
  EXPECT_LE(late.predicted_seconds.total(), 480.0);
  EXPECT_GE(late.predicted_seconds.fixed, 120.0);
}

TEST(Planner, AnEvaluationThatIsDoneIsPaidForOnce) {
  for (const char* budget : {"8m", "60steps", "1e15FLOP"}) {
    PlanRequest asked = inputs(budget);
    asked.limits.rule = types::Rule::kFixed;
    asked.limits.parameters.fixed = 4;
    const auto whole = make_plan(profile(), asked);
    const double each = cost::evaluation_seconds(
        asked.evidence.cost, whole.shape.blocks - 4, cost::dev_batch(asked.evidence.data));
    asked.evidence.spent.first_evaluation = FirstEvaluation::kBeforeThePlan;
    const auto before = make_plan(profile(), asked);
    const double all = cost::evaluation_seconds(
        asked.evidence.cost, whole.shape.blocks, cost::dev_batch(asked.evidence.data));
    ASSERT_EQ(before.evaluations, whole.evaluations) << budget;
    // The first one in the run fills the cache.
    EXPECT_NEAR(
        before.predicted_seconds.evaluation, whole.predicted_seconds.evaluation - each + all, 1e-9)
        << budget;
    asked.evidence.spent.first_evaluation = FirstEvaluation::kDone;
    asked.evidence.spent.seconds += all;
    asked.evidence.spent.flops +=
        cost::evaluation_flops(whole.shape, cost::dev_batch(asked.evidence.data));
    const auto rest = make_plan(profile(), asked);
    ASSERT_EQ(rest.evaluations, whole.evaluations) << budget;
    EXPECT_NEAR(rest.predicted_seconds.evaluation, before.predicted_seconds.evaluation - all, 1e-9)
        << budget;
    EXPECT_EQ(rest.steps, before.steps) << budget;
  }
}

TEST(Planner, ASettledCutNeedsNeitherProfileNorTiming) {
  types::LayerProfile unmeasured = profile();
  unmeasured.deviations.clear();
  PlanRequest asked = inputs("100steps");
  asked.limits.rule = Rule::kFixed;
  asked.limits.parameters.fixed = 12;
  asked.evidence.rates.emplace().watts = 10.0;
  const types::FreezePlan timed = make_plan(profile(), asked);
  EXPECT_TRUE(timed.footprint.has_value());
  asked.evidence.cost = {};
  const types::FreezePlan plan = make_plan(unmeasured, asked);
  EXPECT_NO_THROW(types::check(plan, "plan.json"));
  EXPECT_EQ(plan.cut, 12);
  EXPECT_EQ(plan.steps, timed.steps);
  EXPECT_EQ(plan.evaluations, timed.evaluations);
  EXPECT_EQ(plan.learning_rate, timed.learning_rate);
  EXPECT_EQ(plan.predicted_flops.total(), timed.predicted_flops.total());
  EXPECT_EQ(plan.predicted_seconds.total(), 0.0);
  EXPECT_FALSE(plan.footprint || plan.chosen()->energy_joules);
  for (const auto& candidate : plan.candidates) EXPECT_EQ(candidate.seconds, 0.0);
  ASSERT_EQ(plan.choices.size(), 1U);
  EXPECT_EQ(plan.choices.front().stability, 1.0);

  asked.budget = types::parse_budget("8m");
  expect_error(ErrorKind::kUsage, {"needs measured costs"}, [&] { make_plan(unmeasured, asked); });
  asked = inputs("100steps");
  for (const Rule rule : {Rule::kMaxGain, Rule::kBudget}) {
    asked.limits.rule = rule;
    expect_error(ErrorKind::kUsage, {"holds no cosine"}, [&] { make_plan(unmeasured, asked); });
  }
}

TEST(Planner, AProfileThatComesLaterSaysTheSameBesideThePlan) {
  types::LayerProfile measured = profile();
  measured.stability = 0.4;
  measured.stability_goal = 0.9;
  types::LayerProfile unmeasured = profile();
  unmeasured.deviations.clear();
  PlanRequest asked = inputs("8m");
  asked.limits.rule = Rule::kFraction;
  const types::FreezePlan before = make_plan(measured, asked);
  types::FreezePlan after = make_plan(unmeasured, asked);
  EXPECT_NE(after.notes, before.notes);
  add_profile(measured, asked.limits.parameters, after);
  EXPECT_EQ(core::to_json(after), core::to_json(before));
}

TEST(Planner, AnExplicitLearningRateIsKept) {
  for (const char* budget : {"8m", "3epochs"}) {
    PlanRequest asked = inputs(budget);
    asked.limits.learning_rate = 7e-5;
    EXPECT_DOUBLE_EQ(make_plan(profile(), asked).learning_rate, 7e-5);
  }
}

TEST(Planner, RowsThatComeAgainTakeALowerLearningRate) {
  const auto rate = [](const char* budget) {
    return at(make_plan(profile(), inputs(budget)), 4).learning_rate;
  };
  EXPECT_DOUBLE_EQ(rate("0.5epochs"), rate("1epochs"));
  EXPECT_NEAR(rate("4epochs"), rate("1epochs") / 8.0, 1e-3 * rate("1epochs"));
}

TEST(Planner, NamesEveryBadInputAtOnce) {
  PlanRequest asked = inputs("8m");
  asked.evidence.batches.accumulate = 0;
  asked.limits.min_steps = 0;
  asked.evidence.cost = {};
  expect_error(ErrorKind::kUsage, {"--accumulate", "--min-steps", "measured"},
      [&] { make_plan(profile(), asked); });
  asked = inputs("8m");
  asked.evidence.data.batches = 0;
  expect_error(ErrorKind::kBadInput, {"no batch"}, [&] { make_plan(profile(), asked); });
}

TEST(Planner, DevDocumentsForAShareOfTheBudget) {
  EXPECT_EQ(affordable_dev_documents(500, 0.01, 180.0), 450);
  EXPECT_EQ(affordable_dev_documents(300, 0.01, 180.0), 300);
  EXPECT_EQ(affordable_dev_documents(300, 10.0, 180.0), 16);
  EXPECT_EQ(affordable_dev_documents(8, 10.0, 180.0), 8);
  EXPECT_EQ(affordable_dev_documents(300, 0.0, 180.0), 300);
}

}  // namespace
}  // namespace salf::policy
