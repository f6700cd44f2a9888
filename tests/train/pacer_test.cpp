#include <gtest/gtest.h>

#include "train/run/pacing.h"
#include "train/step/schedule.h"

namespace salf::train {
namespace {

struct Outcome {
  double spent = 0.0;
  std::int64_t steps = 0;
  std::int64_t cooldown_start = -1;
};

// The trainer's loop without a model: steps take step_seconds(step), the evaluation at the end 2 s.
template <class StepSeconds> Outcome simulate(double budget, StepSeconds step_seconds) {
  PacerOptions options;
  options.budget_seconds = budget;
  options.closing_seconds = 1.0;
  Pacer pacer(options);
  pacer.evaluation_took(2.0);
  Outcome outcome;
  outcome.spent = 2.0;
  std::int64_t limit = std::int64_t{1} << 40;
  while (outcome.steps < limit) {
    if (outcome.cooldown_start < 0 &&
        pacer.must_cool_down(outcome.steps, outcome.spent, 1'000'000)) {
      outcome.cooldown_start = outcome.steps;
      limit = outcome.steps + cooldown_steps(outcome.steps);
    }
    if (!pacer.step_fits(outcome.spent)) break;
    const double seconds = step_seconds(outcome.steps++);
    outcome.spent += seconds;
    pacer.step_took(seconds);
  }
  outcome.spent += 2.0 + 1.0;
  return outcome;
}

TEST(Pacer, SpendsTheBudgetOnASteadyMachineWithAWholeCooldown) {
  const Outcome outcome = simulate(200.0, [](std::int64_t) { return 1.0; });
  EXPECT_LE(outcome.spent, 200.0);
  EXPECT_GE(outcome.spent, 190.0);
  EXPECT_EQ(outcome.steps, outcome.cooldown_start + cooldown_steps(outcome.cooldown_start));
}

TEST(Pacer, StaysInsideWhenTheMachineSlowsDown) {
  for (const std::int64_t when : {20, 100, 150, 165, 175}) {
    const Outcome outcome =
        simulate(200.0, [&](std::int64_t step) { return step < when ? 1.0 : 3.0; });
    EXPECT_LE(outcome.spent, 200.0) << "slower from step " << when;
    EXPECT_GE(outcome.spent, 180.0) << "slower from step " << when;
  }
}

TEST(Pacer, LeavesMoreForSavingWhileTheMachineIsSlow) {
  PacerOptions options;
  options.budget_seconds = 100.0;
  options.closing_seconds = 5.0;
  options.step_seconds = 1.0;
  Pacer pacer(options);
  EXPECT_DOUBLE_EQ(pacer.deadline(), 93.0);
  pacer.step_took(3.0);
  EXPECT_DOUBLE_EQ(pacer.deadline(), 83.0);
  pacer.step_took(100.0);  // a hiccup
  EXPECT_DOUBLE_EQ(pacer.deadline(), 78.0);
  pacer.step_took(0.5);
  EXPECT_DOUBLE_EQ(pacer.deadline(), 93.0);
}

TEST(Pacer, UsesTheTimeWhenTheMachineGetsFaster) {
  const Outcome outcome = simulate(200.0, [](std::int64_t step) { return step < 20 ? 2.0 : 0.5; });
  EXPECT_LE(outcome.spent, 200.0);
  EXPECT_GE(outcome.spent, 185.0);
}

TEST(Pacer, DoesNothingWhereNothingFits) {
  PacerOptions options;
  options.budget_seconds = 10.0;
  options.step_seconds = 20.0;
  options.evaluation_seconds = 1.0;
  const Pacer pacer(options);
  EXPECT_FALSE(pacer.step_fits(0.0));
  EXPECT_TRUE(pacer.evaluation_fits(0.0));
  EXPECT_FALSE(pacer.evaluation_fits(9.5));
}

}  // namespace
}  // namespace salf::train
