#include "train/run/pacer.h"

#include <algorithm>

#include "core/statistics.h"
#include "train/step/schedule.h"

namespace salf::train {
namespace {

// As many steps as tell a lasting slowdown from a hiccup, and few enough to see it soon.
constexpr std::size_t kWindow = 32;
// What "slow" adds to the slowest step seen lately.
constexpr double kSlack = 1.25;
// More is a hiccup rather than a busy machine.
constexpr double kMostSlower = 4.0;

}  // namespace

Pacer::Pacer(PacerOptions options) : options_(options), evaluation_(options.evaluation_seconds) {}

void Pacer::step_took(double seconds) {
  last_ = seconds;
  if (steps_.size() < kWindow) {
    steps_.push_back(seconds);
  } else {
    steps_[next_] = seconds;
  }
  next_ = (next_ + 1) % kWindow;
}

void Pacer::expect_step(double seconds) {
  options_.step_seconds = seconds;
  steps_.clear();
  next_ = 0;
}

// The last evaluation tells most about the next one, but a quick one does not make up for a slow
// one.
void Pacer::evaluation_took(double seconds) {
  evaluation_ = std::max(seconds, 0.5 * (evaluation_ + seconds));
}

double Pacer::step_seconds() const {
  return steps_.empty() ? options_.step_seconds : core::median(steps_);
}

double Pacer::slow_step_seconds() const {
  if (steps_.empty()) return 2.0 * options_.step_seconds;
  return kSlack * *std::max_element(steps_.begin(), steps_.end());
}

double Pacer::evaluation_seconds() const { return evaluation_; }

double Pacer::deadline() const {
  const double slower = options_.step_seconds > 0.0
                            ? std::clamp(last_ / options_.step_seconds, 1.0, kMostSlower)
                            : 1.0;
  return options_.budget_seconds * (1.0 - options_.margin) - slower * options_.closing_seconds;
}

bool Pacer::must_cool_down(std::int64_t step, double spent, std::int64_t interval) const {
  const std::int64_t total = step + 1 + cooldown_steps(step + 1);
  const std::int64_t evaluations = total / interval - step / interval + 1;
  const double needed = static_cast<double>(total - step) * step_seconds() +
                        static_cast<double>(evaluations) * evaluation_;
  return spent + needed > deadline();
}

bool Pacer::step_fits(double spent) const {
  return spent + slow_step_seconds() + evaluation_ <= deadline();
}

bool Pacer::evaluation_fits(double spent) const { return spent + evaluation_ <= deadline(); }

}  // namespace salf::train
