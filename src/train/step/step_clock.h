// How long the phases of a step take.
#pragma once

#include <c10/core/Device.h>

#include <deque>
#include <optional>

#include "core/clock.h"
#include "tensor/transfer.h"
#include "types/run_record.h"

namespace salf::train {

// Adds the time since the last lap to one phase after another, waiting for the device at each.
class PhaseClock {
 public:
  explicit PhaseClock(c10::Device device) : device_(device) {}
  void lap(double& phase);

 private:
  c10::Device device_;
  core::Stopwatch watch_;
  double last_ = 0.0;
};

// The same without waiting: the device notes when it comes to a lap, and what has passed is
// collected later.
class StepClock {
 public:
  using Phase = double types::CostBreakdown::*;

  explicit StepClock(c10::Device device) : device_(device) {}
  void start();
  void lap(Phase phase);
  // Adds the laps that have passed, each once.
  void collect(types::CostBreakdown& seconds);
  // Waits for those that have not.
  void collect_all(types::CostBreakdown& seconds);

 private:
  struct Lap {
    tensor::Moment moment;
    std::optional<Phase> phase;  // none: a start
  };

  c10::Device device_;
  types::CostBreakdown passed_;  // not collected yet
  core::Stopwatch watch_;        // since the last lap, on the CPU
  std::deque<Lap> laps_;         // on a GPU: the last one that has passed, and those after it
};

}  // namespace salf::train
