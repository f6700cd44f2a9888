#include "policy/trial_law.h"

#include <algorithm>

namespace salf::policy {
namespace {

struct Point {
  double by_law = 0.0, value = 0.0, weight = 1.0;
  std::size_t arms = 1;
};

std::vector<types::Trial> arms_of(const types::TrialTable& table, bool lora) {
  std::vector<types::Trial> arms;
  std::copy_if(table.arms.begin(), table.arms.end(), std::back_inserter(arms),
      [lora](const types::Trial& arm) { return (arm.arm == types::Arm::kLora) == lora; });
  std::sort(arms.begin(), arms.end(), [](const auto& a, const auto& b) { return a.cut < b.cut; });
  return arms;
}

// Pool adjacent violators (Ayer et al. 1955) to a non-increasing sequence.
std::vector<double> monotone(const std::vector<Point>& points) {
  std::vector<Point> pools;
  for (const Point& point : points) {
    pools.push_back(point);
    while (pools.size() > 1 && pools.back().value > pools[pools.size() - 2].value) {
      const Point last = pools.back();
      pools.pop_back();
      Point& pool = pools.back();
      pool.value =
          (pool.value * pool.weight + last.value * last.weight) / (pool.weight + last.weight);
      pool.weight += last.weight;
      pool.arms += last.arms;
    }
  }
  std::vector<double> values;
  for (const Point& pool : pools) values.insert(values.end(), pool.arms, pool.value);
  return values;
}

}  // namespace

bool TrialLaw::usable(const types::TrialTable& table) {
  const auto cuts = arms_of(table, false);
  return !cuts.empty() && cuts.front().gain > 0.0;
}

TrialLaw::TrialLaw(const types::TrialTable& table,
    const std::function<double(std::int64_t cut)>& kept, core::Random* noise) {
  const std::vector<types::Trial> cuts = arms_of(table, false);
  const double level_error = noise != nullptr ? cuts.front().gain_error * noise->normal() : 0.0;
  const auto gain_of = [&](const types::Trial& arm) {
    const double own_error = noise != nullptr ? arm.delta_error * noise->normal() : 0.0;
    return std::max(1e-6, (arm.gain + level_error + own_error) / table.loss_before);
  };
  std::vector<Point> points;
  for (const types::Trial& cut : cuts) {
    const double gain = gain_of(cut);
    points.push_back({kept(cut.cut), gain, 1.0 / (1e-12 + cut.delta_error * cut.delta_error)});
  }
  const std::vector<double> gains = monotone(points);
  full_gain_ = gains.front() / std::max(1e-6, points.front().by_law);
  if (points.front().by_law < 1.0) points_.emplace_back(1.0, 1.0);
  for (std::size_t i = 0; i < points.size(); ++i)
    points_.emplace_back(points[i].by_law, gains[i] / full_gain_);
  const std::vector<types::Trial> lora = arms_of(table, true);
  double penalties = 0.0;
  for (const types::Trial& arm : lora)
    penalties += this->kept(kept(arm.cut)) - gain_of(arm) / full_gain_;
  if (!lora.empty()) lora_penalty_ = penalties / static_cast<double>(lora.size());
}

double TrialLaw::kept(double by_law) const {
  if (by_law >= points_.front().first) return points_.front().second;
  for (std::size_t i = 1; i < points_.size(); ++i) {
    const auto [high, above] = points_[i - 1];
    const auto [low, below] = points_[i];
    if (by_law >= low)
      return high > low ? below + (by_law - low) / (high - low) * (above - below) : below;
  }
  const auto [law, value] = points_.back();
  return law > 0.0 ? value * by_law / law : 0.0;
}

}  // namespace salf::policy
