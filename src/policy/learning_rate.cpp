#include "salf/policy/learning_rate.h"

#include <algorithm>
#include <cmath>

namespace salf::policy {
namespace {

constexpr double kFullRate = 1.5e-4;
constexpr double kExponent = -0.75;
constexpr double kHighest = 1e-3;
constexpr double kAdapterRate = 1e-3;

}  // namespace

double learning_rate(const types::ModelShape& shape, std::int64_t eof) {
  const double share = static_cast<double>(shape.trained_parameters(eof)) /
                       static_cast<double>(std::max<std::int64_t>(1, shape.parameters));
  return share > 0.0 ? std::min(kHighest, kFullRate * std::pow(share, kExponent)) : kHighest;
}

double learning_rate(const types::ModelShape& shape, types::Arm arm, std::int64_t eof) {
  return arm == types::Arm::kLora ? kAdapterRate : learning_rate(shape, eof);
}

}  // namespace salf::policy
