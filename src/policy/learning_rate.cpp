#include "policy/learning_rate.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>

namespace salf::policy {
namespace {

constexpr double kFullRate = 1.5e-4;
constexpr double kExponent = -0.75;
constexpr double kHighest = 1e-3;
constexpr double kLoraRate = 1.5e-3;
constexpr double kHighestLora = 3e-3;
constexpr double kWholeRepeated = 1.5;  // power of the epochs

double of_share(double share, double of_all, double highest) {
  return share > 0.0 ? std::min(highest, of_all * std::pow(share, kExponent)) : highest;
}

double quotient(std::int64_t part, std::int64_t whole) {
  return static_cast<double>(part) / static_cast<double>(std::max<std::int64_t>(1, whole));
}

}  // namespace

double learning_rate(
    const types::ModelShape& shape, types::Arm arm, std::int64_t cut, double epochs) {
  const double repeated = std::max(1.0, epochs);
  if (arm == types::Arm::kLora)
    return of_share(1.0 - quotient(cut, shape.blocks), kLoraRate, kHighestLora) / repeated;
  const double trained = quotient(shape.trained_parameters(cut), shape.parameters);
  return of_share(trained, kFullRate, kHighest) / std::pow(repeated, kWholeRepeated);
}

double trial_rate_factor(const types::TrialTable& trials, types::Arm arm, std::int64_t cut) {
  constexpr double kClear = 2.0;  // standard errors
  const types::Trial* nearest = nullptr;
  for (const types::Trial& tried : trials.arms) {
    if (tried.rates.empty() || (tried.arm == types::Arm::kLora) != (arm == types::Arm::kLora))
      continue;
    if (nearest == nullptr || std::abs(tried.cut - cut) < std::abs(nearest->cut - cut))
      nearest = &tried;
  }
  double factor = 1.0, best = 0.0;
  if (nearest == nullptr) return factor;
  for (const types::TriedRate& rate : nearest->rates) {
    if (rate.delta + kClear * rate.delta_error >= 0.0 || rate.delta >= best) continue;
    best = rate.delta;
    factor = rate.factor;
  }
  return factor;
}

}  // namespace salf::policy
