// The learning rate of each step: warm-up, constant, linear cooldown over the last fifth (WSD),
// as a pure function of the step, so that what is written down repeats a run exactly.
#pragma once

#include <cstdint>

namespace salf::train {

// "No end yet": nothing has settled where the cooldown starts.
inline constexpr std::int64_t kNoEnd = std::int64_t{1} << 60;

// Steps are counted from 0. total = cooldown_start + cooldown_steps.
struct Schedule {
  std::int64_t warmup_steps = 0;
  std::int64_t cooldown_start = 0;  // first step of the cooldown
  std::int64_t cooldown_steps = 0;

  std::int64_t total() const { return cooldown_start + cooldown_steps; }
};

// A twentieth of the steps, rounded up, 10 at most: Adam's second moments are poor for the first
// few steps only.
std::int64_t warmup_steps(std::int64_t total);

// A cooldown that begins at step `start` is a quarter as long, rounded up and at least one step:
// the last fifth of the whole. So the step at which the cooldown starts settles the rest of the
// schedule.
std::int64_t cooldown_steps(std::int64_t start);

// The schedule of a run of `total` steps; total() gives exactly that number. REQUIRES: total ≥ 0
Schedule schedule_for_steps(std::int64_t total);

// The schedule of a run whose cooldown begins at `cooldown_start`.
Schedule schedule_for_cooldown(std::int64_t warmup, std::int64_t cooldown_start);

// Share of the height: rises (step+1)/(warmup+1) to 1, falls to 1/(cooldown_steps+1) at the last
// step, so that no step has rate 0. A cooldown that begins within the warm-up falls from where that
// stands.
double rate_factor(const Schedule& schedule, std::int64_t step);

}  // namespace salf::train
