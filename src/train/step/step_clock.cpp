#include "train/step/step_clock.h"

#include "cost/estimate.h"
#include "tensor/device.h"

namespace salf::train {

void PhaseClock::lap(double& phase) {
  tensor::synchronize(device_);
  const double now = watch_.seconds();
  phase += now - last_;
  last_ = now;
}

void StepClock::start() {
  watch_ = core::Stopwatch();
  if (!device_.is_cpu()) laps_.push_back({tensor::Moment(device_), std::nullopt});
}

void StepClock::lap(Phase phase) {
  if (device_.is_cpu()) {
    passed_.*phase += watch_.seconds();
    watch_ = core::Stopwatch();
  } else {
    laps_.push_back({tensor::Moment(device_), phase});
  }
}

void StepClock::collect(types::CostBreakdown& seconds) {
  while (laps_.size() > 1 && laps_[1].moment.has_passed()) {
    if (const auto phase = laps_[1].phase)
      passed_.** phase += laps_[1].moment.seconds_since(laps_[0].moment);
    laps_.pop_front();
  }
  seconds = cost::sum(seconds, passed_);
  passed_ = {};
}

void StepClock::collect_all(types::CostBreakdown& seconds) {
  if (!laps_.empty()) laps_.back().moment.wait();
  collect(seconds);
}

}  // namespace salf::train
