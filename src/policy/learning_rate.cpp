#include "salf/policy/learning_rate.h"

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
constexpr double kWholeRepeated = -1.5;  // power of the epochs

double whole_block_rate(const types::ModelShape& shape, std::int64_t eof) {
  const double share = static_cast<double>(shape.trained_parameters(eof)) /
                       static_cast<double>(std::max<std::int64_t>(1, shape.parameters));
  return share > 0.0 ? std::min(kHighest, kFullRate * std::pow(share, kExponent)) : kHighest;
}

double lora_rate(const types::ModelShape& shape, std::int64_t eof) {
  const double share = 1.0 - static_cast<double>(eof) / static_cast<double>(std::max<std::int64_t>(1, shape.blocks));
  return share > 0.0 ? std::min(kHighestLora, kLoraRate * std::pow(share, kExponent)) : kHighestLora;
}

}  // namespace

double learning_rate(const types::ModelShape& shape, types::Arm arm, std::int64_t eof, double epochs) {
  const double repeated = std::max(1.0, epochs);
  if (arm == types::Arm::kLora) return lora_rate(shape, eof) / repeated;
  return whole_block_rate(shape, eof) * std::pow(repeated, kWholeRepeated);
}

double probed_rate_factor(const types::ProbeTable& probes, types::Arm arm, std::int64_t eof) {
  constexpr double kClear = 2.0;  // standard errors
  const types::ProbedArm* nearest = nullptr;
  for (const types::ProbedArm& probed : probes.arms) {
    if (probed.rates.empty() || (probed.arm == types::Arm::kLora) != (arm == types::Arm::kLora)) continue;
    if (nearest == nullptr || std::abs(probed.eof - eof) < std::abs(nearest->eof - eof)) nearest = &probed;
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
