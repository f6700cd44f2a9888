// The planner's choice by predicted loss, and the limits beside the budget.
#include "core/text.h"
#include "cost/money.h"
#include "policy/plan_request.h"
#include "types/budget.h"
#include "types/validate.h"

namespace salf::policy {
namespace {

using support::expect_error;
using types::Rule;

types::LayerProfile profile_with_loss() {
  types::LayerProfile profile = support::sample_profile(support::curve_with_drop(30, 20));
  std::vector<double> loss;
  for (int l = 0; l <= 30; ++l) loss.push_back(12.0 - l * 0.3);
  loss.back() = 2.0;
  profile.deviations.push_back(support::sample_deviation(loss, 0.05));
  profile.deviations.back().measure = types::Measure::kLoss;
  return profile;
}

PlanRequest predicted(const std::string& budget) {
  PlanRequest inputs;
  inputs.budget = types::parse_budget(budget);
  inputs.evidence.data = support::sample_data();
  inputs.evidence.cost = support::sample_cost();
  inputs.evidence.cost.activation_bytes = 13e3;
  inputs.evidence.cost.base_bytes = 5e8;
  inputs.evidence.spent.seconds = 20.0;
  inputs.limits.rule = Rule::kPredicted;
  inputs.evidence.basis.prior = read_prior("");
  types::Rates rates;
  rates.watts = 100.0;
  rates.gco2_per_kwh = 400.0;
  rates.price_per_hour = 3.6;
  rates.currency = "USD";
  inputs.evidence.rates = rates;
  inputs.budget = cost::resolve_budget(inputs.budget, rates);
  return inputs;
}

// A prior that errs in nothing.
PlanRequest certain(const std::string& budget) {
  PlanRequest inputs = predicted(budget);
  for (LawFit& fit : inputs.own_prior().fits) fit.arm_error = 0.0;
  return inputs;
}

types::FreezePlan plan_for(const std::string& budget) {
  return make_plan(profile_with_loss(), predicted(budget));
}

TEST(PredictedPlan, HasTheLowestPredictedLossOfWhatFits) {
  for (const char* budget :
      {"4m", "8m", "15m", "1h", "60%", "2PFLOP", "200steps", "30Wh", "1USD"}) {
    SCOPED_TRACE(budget);
    const auto plan = make_plan(profile_with_loss(), certain(budget));
    types::check(plan, "plan");
    if (plan.smallest_budget) continue;
    for (const auto& candidate : plan.candidates) {
      ASSERT_TRUE(candidate.loss && candidate.delta);
      EXPECT_LE(candidate.loss->low, candidate.loss->value);
      // A thousandth of the loss before counts as the same.
      if (candidate.fits) {
        EXPECT_GE(candidate.loss->value, at(plan, plan.cut).loss->value - 0.0021);
      }
    }
    EXPECT_TRUE(at(plan, plan.cut).fits);
    EXPECT_NE(plan.prediction_basis, "");
    EXPECT_DOUBLE_EQ(plan.loss_before.value(), 2.0);
    EXPECT_EQ(plan.choices.back().rule, Rule::kPredicted);
    EXPECT_EQ(plan.choices.back().cut, plan.cut);
  }
}

TEST(PredictedPlan, SmallBudgetsGoDeepAndLargeOnesShallow) {
  const auto cut = [](const char* budget) {
    return make_plan(profile_with_loss(), certain(budget)).cut;
  };
  EXPECT_GT(cut("5m"), cut("1h"));
  EXPECT_LE(cut("10h"), 8);
}

TEST(PredictedPlan, InTheSameTimeTakesTheShallowestThatThePriorCannotTellFromTheBest) {
  for (const double error : {0.003, 0.01, 0.1}) {
    SCOPED_TRACE(error);
    auto asked = certain("5m");
    for (LawFit& fit : asked.own_prior().fits) fit.arm_error = error;
    const auto plan = make_plan(profile_with_loss(), asked);
    EXPECT_THAT(plan.reason, ::testing::HasSubstr("cannot tell from the best"));
    double best = 1e9;
    for (const auto& candidate : plan.candidates) {
      if (candidate.fits) best = std::min(best, candidate.loss->value);
    }
    for (const auto& candidate : plan.candidates) {
      const bool close =
          candidate.fits && candidate.loss->value <= best + 2.0 * error;  // from a loss of 2
      EXPECT_TRUE(!close || candidate.cut >= plan.cut);
      EXPECT_TRUE(close || candidate.cut != plan.cut);
    }
    // Where steps are counted, time is what a deeper cut saves.
    auto counted = predicted("200steps");
    for (LawFit& fit : counted.own_prior().fits) fit.arm_error = error;
    EXPECT_EQ(make_plan(profile_with_loss(), counted).cut,
        make_plan(profile_with_loss(), certain("200steps")).cut);
  }
}

TEST(PredictedPlan, OfEqualsTakesTheQuickestAndOfThoseTheShallowest) {
  const auto plan = [](const std::string& budget) {
    auto asked = predicted(budget);
    asked.limits.max_epochs = 1000.0;  // more than any of these budgets pays for
    for (LawFit& fit : asked.own_prior().fits) {
      fit.law.depth_penalty = 0.0;
      fit.law.half_tokens = 1.0;
    }
    return make_plan(profile_with_loss(), asked);
  };
  EXPECT_EQ(plan("15m").cut, 0);
  const auto counted = plan("200steps");
  EXPECT_GT(counted.cut, 20);
  EXPECT_LE(at(counted, counted.cut).seconds, 1.05 * at(counted, 29).seconds);
  EXPECT_GT(at(counted, counted.cut - 1).seconds, 1.05 * at(counted, 29).seconds);
}

TEST(PredictedPlan, WithoutALossOfTheModelLossesAreShares) {
  auto asked = predicted("15m");
  const auto plan = make_plan(support::sample_profile(support::curve_with_drop(30, 20)), asked);
  EXPECT_FALSE(plan.loss_before.has_value());
  EXPECT_GT(at(plan, plan.cut).loss->value, 0.4);
  EXPECT_LT(at(plan, plan.cut).loss->value, 1.0);
  EXPECT_EQ(plan.cut, plan_for("15m").cut);
  EXPECT_THAT(plan.reason, ::testing::HasSubstr("of the loss before"));
}

TEST(PredictedPlan, EnergyAndMoneyAreTimeAtTheRates) {
  const auto time = plan_for("15m");
  const auto energy = plan_for("25Wh");   // 100 W
  const auto money = plan_for("0.9USD");  // 3.6 USD an hour
  EXPECT_DOUBLE_EQ(energy.budget.seconds, 900.0);
  EXPECT_DOUBLE_EQ(money.budget.seconds, 900.0);
  EXPECT_DOUBLE_EQ(time.budget.seconds, 0.0);
  for (const auto* plan : {&energy, &money}) {
    EXPECT_EQ(plan->cut, time.cut);
    EXPECT_EQ(plan->steps, time.steps);
    EXPECT_DOUBLE_EQ(plan->budget.clock_seconds(), 900.0);
  }
  const double seconds = time.predicted_seconds.total();
  EXPECT_DOUBLE_EQ(time.footprint->energy_joules.value(), 100.0 * seconds);
  EXPECT_DOUBLE_EQ(time.footprint->money.value(), seconds * 0.001);
  auto cut = predicted("15m");
  cut.limits.rule = Rule::kFixed;
  cut.limits.parameters.fixed = 8;
  const auto frozen = make_plan(profile_with_loss(), cut);
  EXPECT_GT(frozen.full_footprint->money.value(), frozen.footprint->money.value());
  EXPECT_DOUBLE_EQ(at(time, 3).gco2.value(), at(time, 3).seconds * 100.0 * 400.0 / 3.6e6);
}

TEST(PredictedPlan, TheSmallestBudgetInEnergyOrMoneyWorksAsText) {
  for (const char* budget : {"1J", "0.001USD", "1s"}) {
    SCOPED_TRACE(budget);
    const auto plan = plan_for(budget);
    ASSERT_TRUE(plan.smallest_budget.has_value());
    const std::string text = types::format_budget(*plan.smallest_budget);
    EXPECT_FALSE(plan_for(text).smallest_budget.has_value()) << text;
    auto less = predicted(text);
    less.budget.amount *= 0.8;
    less.budget.seconds *= 0.8;
    EXPECT_TRUE(make_plan(profile_with_loss(), less).smallest_budget.has_value());
  }
}

TEST(PredictedPlan, MemoryLeavesOutShallowCuts) {
  auto asked = predicted("1h");
  asked.limits.max_memory_bytes = 1.7e9;
  const auto plan = make_plan(profile_with_loss(), asked);
  EXPECT_GT(plan.cut, make_plan(profile_with_loss(), predicted("1h")).cut);
  EXPECT_LE(plan.memory_bytes.value(), 1.7e9);
  EXPECT_FALSE(at(plan, 0).fits);
  asked.limits.max_memory_bytes = 1e8;
  expect_error(ErrorKind::kBudget, {"--max-memory", "100.0 MB", "smallest"},
      [&] { make_plan(profile_with_loss(), asked); });
}

TEST(PredictedPlan, TheMachinesMemoryLeavesOutShallowCutsAndSaysSo) {
  auto asked = predicted("1h");
  asked.limits.machine_memory_bytes = 1.7e9;
  const auto plan = make_plan(profile_with_loss(), asked);
  EXPECT_LE(plan.memory_bytes.value(), 1.7e9);
  EXPECT_FALSE(at(plan, 0).fits);
  EXPECT_FALSE(plan.max_memory_bytes) << "nobody asked for it";
  EXPECT_THAT(plan.notes, ::testing::Contains(::testing::HasSubstr("1.7 GB that this process")));
  asked.limits.max_memory_bytes = 2e9;  // the smaller one counts
  EXPECT_LE(make_plan(profile_with_loss(), asked).memory_bytes.value(), 1.7e9);
  asked.limits.machine_memory_bytes = 1e8;
  expect_error(ErrorKind::kBudget, {"this process may hold 100.0 MB", "smallest"},
      [&] { make_plan(profile_with_loss(), asked); });
  asked.limits = predicted("1h").limits;
  asked.limits.machine_memory_bytes = 1e8;
  asked.evidence.cost.base_bytes = 0.0;  // nothing was measured
  EXPECT_NO_THROW(make_plan(profile_with_loss(), asked));
}

TEST(PredictedPlan, ACutThatWasAskedForIsHeldToTheMemoryToo) {
  auto asked = predicted("2h");
  asked.limits.rule = Rule::kFixed;
  asked.limits.parameters.fixed = 3;
  asked.limits.max_memory_bytes = 1.7e9;
  expect_error(ErrorKind::kBudget, {"3 frozen blocks", "--max-memory"},
      [&] { make_plan(profile_with_loss(), asked); });
  asked.limits.parameters.fixed = 25;
  EXPECT_EQ(make_plan(profile_with_loss(), asked).cut, 25);
}

TEST(PredictedPlan, ALossIncreaseBuysTime) {
  auto asked = predicted("2h");
  const auto all = make_plan(profile_with_loss(), asked);
  double last = 1e9;
  for (const double increase : {0.0, 0.02, 0.05, 0.2}) {
    SCOPED_TRACE(increase);
    asked.limits.aim = types::Aim::kCheapest;
    asked.limits.max_loss_increase.amount = increase;
    const auto plan = make_plan(profile_with_loss(), asked);
    EXPECT_LE(at(plan, plan.cut).loss->value, at(all, 0).loss->value + increase + 1e-9);
    EXPECT_LE(at(plan, plan.cut).seconds, last);
    EXPECT_LE(plan.steps, at(plan, plan.cut).steps);
    EXPECT_EQ(plan.most_steps, plan.steps);  // by the clock too it ends there
    last = at(plan, plan.cut).seconds;
  }
  EXPECT_LT(last, 0.7 * all.predicted_seconds.total());
}

TEST(PredictedPlan, ShowsWhatEachAimWouldDo) {
  auto asked = predicted("3epochs");
  const auto best = make_plan(profile_with_loss(), asked);
  ASSERT_EQ(best.aims.size(), 3U);
  EXPECT_EQ(best.aims[0].cut, best.cut);
  EXPECT_EQ(best.aims[0].steps, best.steps);
  for (const types::AimChoice& choice : best.aims) {
    SCOPED_TRACE(core::enum_to_string(choice.aim));
    asked.limits.aim = choice.aim;
    const auto plan = make_plan(profile_with_loss(), asked);
    types::check(plan, "plan");
    EXPECT_EQ(plan.cut, choice.cut);
    EXPECT_DOUBLE_EQ(plan.chosen()->seconds, choice.seconds);
    EXPECT_LE(choice.loss->value, *best.reference_loss + 0.02 + 1e-9);
  }
  EXPECT_LT(best.aims[1].seconds, best.aims[0].seconds);
  EXPECT_LE(*best.aims[2].memory_bytes, *best.aims[1].memory_bytes);
}

TEST(PredictedPlan, TakesTheLeastMemoryWithinAShareOfWhatTuningGains) {
  auto asked = predicted("3epochs");
  asked.limits.aim = types::Aim::kSmallest;
  asked.limits.max_loss_increase = types::parse_loss_increase("10%");
  const auto plan = make_plan(profile_with_loss(), asked);
  const double gain = *plan.loss_before - *plan.reference_loss;
  EXPECT_NEAR(*plan.max_loss_increase, 0.1 * gain, 1e-12);
  EXPECT_LE(plan.chosen()->loss->value, *plan.reference_loss + 0.1 * gain + 1e-9);
  EXPECT_THAT(plan.reason, ::testing::HasSubstr("least memory"));
  for (const auto& candidate : plan.candidates) {
    if (!candidate.fits) continue;
    EXPECT_GE(*candidate.memory_bytes, *plan.chosen()->memory_bytes / 1.01);
  }
}

TEST(LossIncrease, IsNatsOrAShareOfTheGain) {
  EXPECT_DOUBLE_EQ(types::parse_loss_increase("0.05").as_ratio(0.5, 2.0), 0.025);
  EXPECT_DOUBLE_EQ(types::parse_loss_increase("5%").as_ratio(0.5, 2.0), 0.025);
  for (const char* text : {"", "x", "5 %", "-1", "1e9", "5%%", "nan"}) {
    SCOPED_TRACE(text);
    expect_error(
        ErrorKind::kUsage, {"--max-loss-increase"}, [&] { types::parse_loss_increase(text); });
  }
}

TEST(PredictedPlan, RefusesContradictions) {
  auto asked = predicted("1h");
  asked.limits.rule = Rule::kMaxGain;
  asked.limits.aim = types::Aim::kCheapest;
  asked.limits.max_memory_bytes = 1e9;
  asked.evidence.cost.base_bytes = 0.0;
  expect_error(ErrorKind::kUsage, {"--max-loss-increase", "--max-memory"},
      [&] { make_plan(profile_with_loss(), asked); });
  asked = predicted("1Wh");
  asked.budget.seconds = 0.0;
  asked.evidence.basis.prior.reset();
  expect_error(ErrorKind::kUsage, {"watts or a price", "prior"},
      [&] { make_plan(profile_with_loss(), asked); });
}

TEST(PredictedPlan, TheParetoCurveHoldsWhatNothingBeats) {
  const auto plan = plan_for("100steps");
  std::int64_t on = 0;
  for (const auto& one : plan.candidates) {
    bool beaten = false;
    for (const auto& other : plan.candidates) {
      beaten = beaten || (other.fits && other.seconds <= one.seconds &&
                             other.loss->value <= one.loss->value &&
                             (other.seconds < one.seconds || other.loss->value < one.loss->value));
    }
    EXPECT_EQ(one.pareto, one.fits && !beaten) << one.cut;
    on += one.pareto ? 1 : 0;
  }
  EXPECT_GT(on, 3);
  ASSERT_TRUE(plan.knee.has_value());
  EXPECT_TRUE(at(plan, *plan.knee).pareto);
  EXPECT_GT(*plan.knee, 0);
  EXPECT_LT(*plan.knee, 29);
}

TEST(PredictedPlan, TellsWhatOtherBudgetsBuy) {
  const auto plan = plan_for("10m");
  ASSERT_EQ(plan.alternatives.size(), 5U);
  double last = 1e9;
  for (const auto& other : plan.alternatives) {
    SCOPED_TRACE(other.factor);
    EXPECT_NEAR(other.budget.amount, 600.0 * other.factor, 1e-9);
    if (!other.fits) continue;
    EXPECT_LE(other.loss->value, last + 0.0021);
    EXPECT_LE(other.seconds, 600.0 * other.factor);
    last = other.loss->value;
    if (other.factor == 1.0) {
      EXPECT_EQ(other.cut, plan.cut);
      EXPECT_EQ(other.steps, at(plan, plan.cut).steps);
    } else {
      const auto planned = plan_for(types::format_budget(other.budget));
      EXPECT_EQ(other.cut, planned.cut);
    }
  }
}

TEST(PredictedPlan, SaysWhereRulesAndMeasuresDisagree) {
  const auto plan = plan_for("1h");
  const std::string notes = core::join(plan.notes, "\n");
  EXPECT_THAT(notes, ::testing::HasSubstr("measures disagree"));
  EXPECT_THAT(notes, ::testing::HasSubstr("max-gain, the paper's rule"));
  auto unsettled = profile_with_loss();
  unsettled.stability = 0.4;
  unsettled.stability_goal = 0.9;
  EXPECT_THAT(core::join(make_plan(unsettled, predicted("1h")).notes, "\n"),
      ::testing::HasSubstr("not settled"));
}

// LoRA beside whole blocks, whose blocks are so much faster.
PlanRequest with_lora(const std::string& budget, double speed_up, double base_bytes = 5e8) {
  PlanRequest inputs = predicted(budget);
  LoraTiming lora;
  lora.block_trained_parameters.assign(30, 163'000);
  lora.cost = inputs.evidence.cost;
  lora.cost.block_forward_trained /= speed_up;
  lora.cost.block_backward /= speed_up;
  lora.cost.base_bytes = base_bytes;
  inputs.evidence.lora = lora;
  return inputs;
}

// With LoRA a rank updates a part of the weights only where that was asked for.
TEST(PlanWithLora, IsPricedForRanksAsTheyUpdateIt) {
  PlanRequest asked = with_lora("8m", 3.0);
  asked.evidence.batches.accumulate = asked.evidence.batches.ranks = 4;
  const auto prices = [&asked](types::ShardOptimizer wanted) {
    asked.evidence.batches.shard_optimizer = wanted;
    const auto plan = make_plan(profile_with_loss(), asked);
    return *plan.candidates.at(types::Method::kLora, 0);
  };
  const types::Candidate all = prices(types::ShardOptimizer::kOff);
  const types::Candidate usual = prices(types::ShardOptimizer::kAuto);
  const types::Candidate parts = prices(types::ShardOptimizer::kOn);
  EXPECT_EQ(usual.memory_bytes.value(), all.memory_bytes.value());
  EXPECT_LT(parts.memory_bytes.value(), all.memory_bytes.value());
  EXPECT_GE(parts.steps, all.steps);
}

TEST(PlanWithLora, TakesTheMethodOfTheLowerPredictedLoss) {
  const auto profile = profile_with_loss();
  const auto fast = make_plan(profile, with_lora("8m", 3.0));
  types::check(fast, "plan");
  ASSERT_TRUE(fast.lora.has_value());
  ASSERT_EQ(fast.candidates.size(), 60U);
  ASSERT_NE(fast.chosen(), nullptr);
  EXPECT_EQ(fast.chosen()->arm, types::Arm::kLora);
  EXPECT_EQ(fast.steps, std::min(fast.steps, fast.chosen()->steps));
  EXPECT_EQ(fast.learning_rate, fast.chosen()->learning_rate);
  EXPECT_EQ(fast.shape.trained_parameters(fast.cut), fast.chosen()->trained_parameters);
  for (const auto& candidate : fast.candidates) {
    if (!candidate.fits) continue;
    EXPECT_GE(candidate.loss->value, fast.chosen()->loss->value - 0.0021);
  }
  EXPECT_EQ(fast.alternatives[2].arm, types::Arm::kLora);
  EXPECT_EQ(fast.alternatives[2].cut, fast.cut);
  EXPECT_THAT(fast.reason, ::testing::HasSubstr("LoRA"));
  EXPECT_THAT(fast.reason, ::testing::HasSubstr("full fine-tuning"));

  const auto slow = make_plan(profile, with_lora("8m", 0.2));
  const auto alone = plan_for("8m");
  EXPECT_FALSE(slow.lora.has_value());
  EXPECT_EQ(slow.cut, alone.cut);
  EXPECT_EQ(slow.steps, alone.steps);
  EXPECT_EQ(slow.reason, alone.reason);
  EXPECT_DOUBLE_EQ(slow.predicted_seconds.total(), alone.predicted_seconds.total());
}

TEST(PlanWithLora, AtTheSameDepthTakesTheLighterMethodWhereThePriorCannotTellThem) {
  auto asked = with_lora("8m", 1.0);
  for (LawFit& fit : asked.own_prior().fits) {
    fit.arm_error = 0.5;
    fit.law.lora_penalty = 0.01;
  }
  const auto plan = make_plan(profile_with_loss(), asked);
  EXPECT_EQ(plan.cut, 0);
  EXPECT_TRUE(plan.lora.has_value());
}

TEST(PlanWithLora, IsThereWhereMemoryOrTimeLeavesNothingElse) {
  const auto profile = profile_with_loss();
  auto little = with_lora("1h", 1.0, 1e8);
  little.limits.max_memory_bytes = 8e8;
  EXPECT_TRUE(make_plan(profile, little).lora.has_value());
  little.evidence.lora.reset();
  expect_error(ErrorKind::kBudget, {"--max-memory"}, [&] { make_plan(profile, little); });

  const auto refused = make_plan(profile, with_lora("1s", 3.0));
  ASSERT_TRUE(refused.smallest_budget.has_value());
  EXPECT_TRUE(refused.lora.has_value());
  EXPECT_LT(refused.smallest_budget->amount, plan_for("1s").smallest_budget->amount);
  EXPECT_FALSE(make_plan(profile, with_lora(types::format_budget(*refused.smallest_budget), 3.0))
                   .smallest_budget.has_value());
}

TEST(PlanWithLora, IsComparedWithFullTuningForMaxLossIncrease) {
  auto asked = with_lora("1h", 3.0);
  asked.limits.aim = types::Aim::kCheapest;
  asked.limits.max_loss_increase.amount = 0.05;
  const auto plan = make_plan(profile_with_loss(), asked);
  ASSERT_NE(plan.chosen(), nullptr);
  EXPECT_LE(plan.chosen()->loss->value, *plan.reference_loss + 0.05 + 1e-9);
  for (const auto& candidate : plan.candidates) {
    if (!candidate.fits) continue;
    EXPECT_GE(candidate.seconds, plan.chosen()->seconds);
  }
}

TEST(PlanWithLora, NeedsThePrediction) {
  auto asked = with_lora("8m", 1.0);
  asked.limits.rule = Rule::kMaxGain;
  expect_error(ErrorKind::kUsage, {"LoRA"}, [&] { make_plan(profile_with_loss(), asked); });
}

}  // namespace
}  // namespace salf::policy
