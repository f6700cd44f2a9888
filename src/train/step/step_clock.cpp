#include "train/step/step_clock.h"

namespace salf::train {

void StepClock::start() {
  watch_ = core::Stopwatch();
  if (!device_.is_cpu()) laps_.push_back({tensor::Moment(device_), nullptr});
}

void StepClock::lap(double& phase) {
  if (device_.is_cpu()) {
    phase += watch_.seconds();
    watch_ = core::Stopwatch();
  } else {
    laps_.push_back({tensor::Moment(device_), &phase});
  }
}

void StepClock::collect() {
  while (laps_.size() > 1 && laps_[1].moment.has_passed()) {
    if (double* const phase = laps_[1].phase)
      *phase += laps_[1].moment.seconds_since(laps_[0].moment);
    laps_.pop_front();
  }
}

void StepClock::collect_all() {
  if (!laps_.empty()) laps_.back().moment.wait();
  collect();
}

}  // namespace salf::train
