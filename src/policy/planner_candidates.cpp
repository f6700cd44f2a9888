#include <algorithm>
#include <cmath>
#include <limits>

#include "cost/energy.h"
#include "policy/advice.h"
#include "policy/learning_rate.h"
#include "policy/planner.h"

namespace salf::policy {

types::Candidates Planner::candidates() const {
  Candidates all;
  for (const Prices& method : methods_) {
    for (std::int64_t cut = 0; cut < method.shape().blocks; ++cut)
      all.push_back(candidate(method, cut));
  }
  mark_pareto(all);
  return all;
}

types::Candidate Planner::candidate(const Prices& method, std::int64_t cut) const {
  Candidate one;
  one.arm = method.arm(cut);
  one.cut = cut;
  one.trained_parameters = method.shape().trained_parameters(cut);
  one.steps = method.affordable_steps(cut);
  one.fits = one.steps >= terms_.required_steps();
  if (limit_) {
    const auto fewest = fewest_steps(*one.arm, cut, one.steps);
    one.fits = one.fits && fewest;
    one.steps = fewest.value_or(one.steps);
  }
  one.tokens = static_cast<double>(one.steps) * terms_.tokens_per_step();
  one.learning_rate = rate(method, cut, one.steps);
  const Price seconds = method.price(cut, PriceUnit::kSeconds);
  const Price flops = method.price(cut, PriceUnit::kFlops);
  one.step_seconds = seconds.first_step();
  one.step_flops = flops.first_step();
  one.seconds = seconds.run(one.steps, kFewestEvaluations).total();
  one.flops = flops.run(one.steps, kFewestEvaluations).total();
  const double bytes = method.memory_bytes(cut, one.steps);
  if (bytes > 0.0) one.memory_bytes = bytes;
  one.fits = one.fits && !too_large(one);
  if (evidence_.rates && method.timed()) {
    const types::Footprint taken = cost::footprint(*evidence_.rates, one.seconds);
    one.energy_joules = taken.energy_joules;
    one.gco2 = taken.gco2;
    one.money = taken.money;
  }
  if (predictor_) predict(one);
  return one;
}

void Planner::predict(Candidate& candidate) const {
  const double scale = loss_scale();
  const ArmPoint at = point(*candidate.arm, candidate.cut, candidate.steps);
  candidate.loss = loss_range(at);
  const types::Range delta = predictor_->delta_range(at, full_);
  candidate.delta = types::Range{scale * delta.value, scale * delta.low, scale * delta.high};
}

double Planner::reference() const {
  double least = std::numeric_limits<double>::infinity();
  for (const Prices& method : methods_) {
    const ArmPoint at = point(method.arm(0), 0, method.affordable_steps(0));
    least = std::min(least, predictor_->ratio(at));
  }
  return least;
}

std::optional<std::int64_t> Planner::fewest_steps(
    types::Arm arm, std::int64_t cut, std::int64_t most) const {
  const auto close = [&](std::int64_t steps) {
    return predictor_->ratio(point(arm, cut, steps)) <= *limit_;
  };
  if (!close(most)) return std::nullopt;
  std::int64_t low = std::min(most, terms_.required_steps()) - 1;
  std::int64_t high = most;
  while (low + 1 < high) {
    const std::int64_t middle = low + (high - low) / 2;
    (close(middle) ? high : low) = middle;
  }
  return high;
}

// The rule's learning rate for so many steps, or what trials put in its place.
double Planner::rate(const Prices& method, std::int64_t cut, std::int64_t steps) const {
  if (limits_.learning_rate) return *limits_.learning_rate;
  const auto& trials = evidence_.basis.trials;
  const types::Arm arm = method.arm(cut);
  const double factor = trials ? trial_rate_factor(*trials, arm, cut) : 1.0;
  const double epochs = static_cast<double>(steps) / terms_.steps_per_epoch();
  return std::min(1.0, factor * learning_rate(method.shape(), arm, cut, epochs));
}

const Prices& Planner::prices(const Candidate& candidate) const {
  return methods_.front().method() == types::method_of(*candidate.arm) ? methods_.front()
                                                                       : methods_.back();
}

double Planner::memory_limit() const {
  constexpr double kNone = std::numeric_limits<double>::infinity();
  return std::min(
      limits_.max_memory_bytes.value_or(kNone), limits_.machine_memory_bytes.value_or(kNone));
}

bool Planner::too_large(const Candidate& candidate) const {
  return candidate.memory_bytes && *candidate.memory_bytes > memory_limit();
}

ArmPoint Planner::point(types::Arm arm, std::int64_t cut, std::int64_t steps) const {
  const auto epoch = static_cast<double>(evidence_.data.real_tokens);
  return {arm, cut, epoch * static_cast<double>(steps) / terms_.steps_per_epoch(), epoch};
}

types::Range Planner::loss_range(const ArmPoint& at) const {
  const types::Range ratio = predictor_->ratio_range(at);
  if (!before_) return ratio;
  const double error = std::isfinite(before_->standard_error) ? before_->standard_error : 0.0;
  const double half =
      std::hypot(before_->loss * (ratio.high - ratio.value), kNormal90 * ratio.value * error);
  const double value = before_->loss * ratio.value;
  return {value, value - half, value + half};
}

}  // namespace salf::policy
