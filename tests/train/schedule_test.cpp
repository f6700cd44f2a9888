#include "train/step/schedule.h"

#include <gtest/gtest.h>

namespace salf::train {
namespace {

TEST(Schedule, HasExactlyTheStepsAskedFor) {
  for (std::int64_t total = 0; total < 500; ++total) {
    const Schedule schedule = schedule_for_steps(total);
    EXPECT_EQ(schedule.total(), total);
    EXPECT_GE(schedule.cooldown_start, 0);
    // The last fifth, to one step.
    EXPECT_LE(schedule.cooldown_steps, total / 5 + 1);
    EXPECT_GE(schedule.cooldown_steps, total / 5);
  }
}

TEST(Schedule, CooldownIsTheLastFifthWhereverItStarts) {
  for (std::int64_t start = 8; start < 500; ++start) {
    const Schedule schedule = schedule_for_cooldown(3, start);
    const double share =
        static_cast<double>(schedule.cooldown_steps) / static_cast<double>(schedule.total());
    EXPECT_NEAR(share, 0.2, 1.0 / static_cast<double>(start));
  }
}

TEST(Schedule, RisesStaysAndFallsInStraightLines) {
  const Schedule schedule = schedule_for_steps(100);
  ASSERT_EQ(schedule.warmup_steps, 5);
  ASSERT_EQ(schedule.cooldown_start, 80);
  EXPECT_DOUBLE_EQ(rate_factor(schedule, 0), 1.0 / 6.0);
  EXPECT_DOUBLE_EQ(rate_factor(schedule, 4), 5.0 / 6.0);
  EXPECT_DOUBLE_EQ(rate_factor(schedule, 5), 1.0);
  EXPECT_DOUBLE_EQ(rate_factor(schedule, 79), 1.0);
  EXPECT_DOUBLE_EQ(rate_factor(schedule, 80), 20.0 / 21.0);
  EXPECT_DOUBLE_EQ(rate_factor(schedule, 99), 1.0 / 21.0);
}

TEST(Schedule, NoStepHasRateZeroAndNoneExceedsTheHeight) {
  for (std::int64_t total = 1; total < 200; ++total) {
    const Schedule schedule = schedule_for_steps(total);
    for (std::int64_t step = 0; step < total; ++step) {
      EXPECT_GT(rate_factor(schedule, step), 0.0);
      EXPECT_LE(rate_factor(schedule, step), 1.0);
    }
  }
}

TEST(Schedule, CooldownWithinTheWarmupFallsFromWhereItStands) {
  const Schedule schedule = schedule_for_cooldown(9, 4);
  EXPECT_DOUBLE_EQ(rate_factor(schedule, 3), 0.4);
  EXPECT_DOUBLE_EQ(rate_factor(schedule, 4), 0.25);  // half-way up, half of it left
}

}  // namespace
}  // namespace salf::train
