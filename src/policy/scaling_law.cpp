#include "policy/scaling_law.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "core/statistics.h"

namespace salf::policy {
namespace {

constexpr double kSmallest = 0.01;
constexpr double kLargest = 10.0;
constexpr int kGrid = 60;
constexpr int kRefinements = 40;

struct Curve {
  std::vector<double> values;
  std::vector<double> weights;
};

struct Fit {
  double a = 0.0, b = 0.0, c = 0.0;
  double squares = std::numeric_limits<double>::infinity();  // weighted sum of squared residuals
};

double power(std::size_t space, double b) { return std::pow(static_cast<double>(space + 1), -b); }

Fit fit_linear(const Curve& curve, double b) {
  double w = 0.0, x = 0.0, y = 0.0, xx = 0.0, xy = 0.0;
  for (std::size_t l = 0; l < curve.values.size(); ++l) {
    const double weight = curve.weights[l];
    const double p = power(l, b);
    w += weight;
    x += weight * p;
    y += weight * curve.values[l];
    xx += weight * p * p;
    xy += weight * p * curve.values[l];
  }
  Fit fit;
  fit.b = b;
  const double determinant = w * xx - x * x;
  if (!(determinant > 0.0)) return fit;
  fit.a = (w * xy - x * y) / determinant;
  fit.c = (y - fit.a * x) / w;
  fit.squares = 0.0;
  for (std::size_t l = 0; l < curve.values.size(); ++l) {
    const double residual = curve.values[l] - fit.c - fit.a * power(l, b);
    fit.squares += curve.weights[l] * residual * residual;
  }
  return fit;
}

Fit fit_power(const Curve& curve) {
  const double ratio = std::log(kLargest / kSmallest) / kGrid;
  int best = 0;
  Fit fit = fit_linear(curve, kSmallest);
  for (int i = 1; i <= kGrid; ++i) {
    const Fit next = fit_linear(curve, kSmallest * std::exp(ratio * i));
    if (next.squares < fit.squares) {
      fit = next;
      best = i;
    }
  }
  constexpr double kGolden = 0.6180339887498949;
  double low = ratio * std::max(0, best - 1);
  double high = ratio * std::min(kGrid, best + 1);
  for (int i = 0; i < kRefinements; ++i) {
    const double left = high - kGolden * (high - low);
    const double right = low + kGolden * (high - low);
    const bool left_is_better = fit_linear(curve, kSmallest * std::exp(left)).squares <
                                fit_linear(curve, kSmallest * std::exp(right)).squares;
    (left_is_better ? high : low) = left_is_better ? right : left;
  }
  const Fit refined = fit_linear(curve, kSmallest * std::exp(0.5 * (low + high)));
  return refined.squares < fit.squares ? refined : fit;
}

std::vector<double> weights_of(const types::Deviation& deviation) {
  std::vector<double> weights;
  for (const double error : deviation.standard_error) {
    if (!(std::isfinite(error) && error > 0.0))
      return std::vector<double>(deviation.deviation.size(), 1.0);
    weights.push_back(1.0 / (error * error));
  }
  return weights;
}

double r_squared(const Curve& curve, double squares) {
  double w = 0.0, y = 0.0;
  for (std::size_t l = 0; l < curve.values.size(); ++l) {
    w += curve.weights[l];
    y += curve.weights[l] * curve.values[l];
  }
  double total = 0.0;
  for (std::size_t l = 0; l < curve.values.size(); ++l) {
    const double difference = curve.values[l] - y / w;
    total += curve.weights[l] * difference * difference;
  }
  return total > 0.0 ? 1.0 - squares / total : 0.0;
}

}  // namespace

types::ScalingLaw fit_scaling_law(const types::Deviation& deviation) {
  types::ScalingLaw law;
  law.measure = deviation.measure;
  Curve curve{deviation.deviation, weights_of(deviation)};
  const std::size_t spaces = curve.values.size();
  law.share.assign(spaces, 0.0);
  if (spaces < 3) return law;
  const Fit fit = fit_power(curve);
  law.a = fit.a;
  law.b = fit.b;
  law.c = fit.c;
  law.r_squared = r_squared(curve, fit.squares);
  law.found = fit.a > 0.0 && fit.b > 1.01 * kSmallest && fit.b < 0.99 * kLargest;
  if (!law.found) return law;
  const double total = power(0, fit.b) - power(spaces - 1, fit.b);
  for (std::size_t l = 0; l < spaces; ++l)
    law.share[l] = (power(0, fit.b) - power(l, fit.b)) / total;
  std::vector<double> exponents;
  for (const auto& values : deviation.replicates)
    exponents.push_back(fit_power({values, curve.weights}).b);
  if (!exponents.empty()) {
    law.b_low = core::quantile(exponents, 0.05);
    law.b_high = core::quantile(exponents, 0.95);
  }
  return law;
}

}  // namespace salf::policy
