#include "train/step/schedule.h"

#include <algorithm>

namespace salf::train {

std::int64_t warmup_steps(std::int64_t total) {
  return std::min<std::int64_t>(10, (total + 19) / 20);
}

std::int64_t cooldown_steps(std::int64_t start) {
  return std::max<std::int64_t>(1, (start + 3) / 4);
}

Schedule schedule_for_steps(std::int64_t total) {
  const std::int64_t cooldown = std::min(total, std::max<std::int64_t>(1, (total + 4) / 5));
  return {warmup_steps(total), total - cooldown, cooldown};
}

Schedule schedule_for_cooldown(std::int64_t warmup, std::int64_t cooldown_start) {
  return {warmup, cooldown_start, cooldown_steps(cooldown_start)};
}

double rate_factor(const Schedule& schedule, std::int64_t step) {
  const auto share = [](std::int64_t part, std::int64_t whole) {
    return std::clamp(static_cast<double>(part) / static_cast<double>(whole), 0.0, 1.0);
  };
  const std::int64_t risen = std::min(step, schedule.cooldown_start) + 1;
  return share(risen, schedule.warmup_steps + 1) *
         share(schedule.total() - step, schedule.cooldown_steps + 1);
}

}  // namespace salf::train
