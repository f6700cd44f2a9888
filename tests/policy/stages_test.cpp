#include "policy/stages.h"

#include "policy/plan_request.h"
#include "types/budget.h"
#include "types/validate.h"

namespace salf::policy {
namespace {

using types::StageChoice;

Predictor predictor(double depth_penalty) {
  LawFit fit;
  fit.law = {0.4, 20000.0, depth_penalty, 3.0, 0.0, 3.0};
  Prior prior;
  prior.fits = {fit};
  return {{std::make_shared<const Prior>(prior)}, support::sample_shape()};
}

types::StageEnd at_cut(std::int64_t cut, std::int64_t next) {
  types::StageEnd end;
  types::StageRecord stage;
  stage.cut = cut;
  stage.steps = 50;
  end.stages = {stage};
  end.next_cut = next;
  end.step_tokens = 800.0;
  end.unique_tokens = 90000.0;
  end.steps_staying = 50.0;
  end.steps_next = 50.0;
  return end;
}

TEST(StageCuts, AreEvenlySpacedFromDeepToShallow) {
  using Cuts = std::vector<std::int64_t>;
  EXPECT_EQ(stage_cuts(20, 8, 3), (Cuts{20, 14, 8}));
  EXPECT_EQ(stage_cuts(20, 0, 2), (Cuts{20, 0}));
  EXPECT_EQ(stage_cuts(3, 1, 8), (Cuts{3, 2, 1}));
  EXPECT_EQ(stage_cuts(8, 8, 3), Cuts{8});
  EXPECT_EQ(stage_cuts(4, 8, 3), Cuts{8});
  EXPECT_EQ(stage_cuts(20, 8, 1), Cuts{8});
}

TEST(StageDecision, UnfreezesWhereTheNextCutEndsLower) {
  const Predictor law = predictor(0.5);
  const types::StageDecision decision = decide_stage(law, at_cut(24, 8), 2.0);
  EXPECT_EQ(decision.choice, StageChoice::kNext);
  EXPECT_LT(decision.loss_next.value(), decision.loss_staying.value());
  EXPECT_THAT(decision.reason, ::testing::HasSubstr("unfrozen down to block 8: 50 steps there"));
  EXPECT_THAT(decision.reason, ::testing::HasSubstr("nats"));
}

TEST(StageDecision, StaysWhereDepthMakesNoDifferenceOrCostsTooMuch) {
  EXPECT_EQ(decide_stage(predictor(0.0), at_cut(24, 8), 2.0).choice, StageChoice::kStay);
  types::StageEnd dear = at_cut(24, 8);
  dear.steps_next = 1.0;
  const types::StageDecision decision = decide_stage(predictor(0.5), dear, {});
  EXPECT_EQ(decision.choice, StageChoice::kStay);
  EXPECT_GT(decision.loss_next.value(), decision.loss_staying.value() - 0.001);
  EXPECT_THAT(decision.reason, ::testing::HasSubstr("% of the loss before"));
}

// What was learned counts in full, and no more: a move with no steps left changes nothing.
TEST(StageDecision, AMoveByItselfChangesNothing) {
  types::StageEnd over = at_cut(24, 8);
  over.steps_staying = over.steps_next = 0.0;
  const types::StageDecision decision = decide_stage(predictor(0.5), over, {});
  EXPECT_NEAR(decision.loss_next.value(), decision.loss_staying.value(), 1e-9);
  types::StageEnd moved = over;
  types::StageRecord second;
  second.cut = 8;
  moved.stages.push_back(second);
  moved.next_cut = 0;
  EXPECT_NEAR(decide_stage(predictor(0.5), moved, {}).loss_staying.value(),
      decision.loss_staying.value(), 1e-9);
}

PlanRequest staged(const std::string& budget, std::int64_t stages) {
  PlanRequest inputs;
  inputs.budget = types::parse_budget(budget);
  inputs.evidence.data = support::sample_data();
  inputs.evidence.cost = support::sample_cost();
  inputs.evidence.spent.seconds = 20.0;
  inputs.limits.rule = types::Rule::kFixed;
  inputs.limits.parameters.fixed = 2;
  inputs.evidence.basis.prior = read_prior("");
  inputs.limits.stages = stages;
  return inputs;
}

types::FreezePlan plan_of(const PlanRequest& inputs) {
  return make_plan(support::sample_profile(support::curve_with_drop(30, 20)), inputs);
}

TEST(StagedPlan, GoesFromMaxGainsLayerToTheCutWithinTheBudget) {
  for (const char* budget : {"20m", "300steps", "2epochs", "200000tokens"}) {
    SCOPED_TRACE(budget);
    const types::FreezePlan one = plan_of(staged(budget, 1)), three = plan_of(staged(budget, 3));
    types::check(three, "plan");
    EXPECT_TRUE(one.stages.empty());
    EXPECT_EQ(three.stages, (std::vector<std::int64_t>{20, 11, 2}));
    EXPECT_EQ(three.cut, 2);
    if (one.budget.deterministic()) {
      EXPECT_EQ(three.steps, one.steps);
      EXPECT_LT(three.predicted_seconds.total(), one.predicted_seconds.total());
    } else {
      EXPECT_GT(three.steps, one.steps);
      EXPECT_LE(three.predicted_seconds.total(), 1200.0);
      EXPECT_GE(three.predicted_seconds.total(), 0.9 * 1200.0);
    }
    EXPECT_LT(three.predicted_flops.total() / static_cast<double>(three.steps),
        one.predicted_flops.total() / static_cast<double>(one.steps));
  }
}

TEST(StagedPlan, OneStageWhereTheCutIsAsDeep) {
  PlanRequest inputs = staged("300steps", 3);
  inputs.limits.parameters.fixed = 25;
  const types::FreezePlan plan = plan_of(inputs);
  EXPECT_TRUE(plan.stages.empty());
  ASSERT_FALSE(plan.notes.empty());
  EXPECT_THAT(plan.notes.front(), ::testing::HasSubstr("one stage"));
}

TEST(StagedPlan, RefusesBudgetsThatItCannotCount) {
  for (const char* budget : {"40%", "1PFLOP"}) {
    support::expect_error(ErrorKind::kUsage, {"--stages needs a budget in time"},
        [&] { plan_of(staged(budget, 2)); });
  }
}

}  // namespace
}  // namespace salf::policy
