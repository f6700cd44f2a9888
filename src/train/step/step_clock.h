// How long the phases of work on a device take.
#pragma once

#include <c10/core/Device.h>

#include <deque>

#include "core/clock.h"
#include "tensor/transfer.h"

namespace salf::train {

// A phase goes from the start or the last lap to the next lap. On the CPU it counts at once. A GPU
// notes when it comes to a lap, and nobody waits: what has passed is added by collect().
class StepClock {
 public:
  explicit StepClock(c10::Device device) : device_(device) {}
  void start();
  // Seconds are added to `phase`, which must live until they are.
  void lap(double& phase);
  // Adds the laps that have passed, each once.
  void collect();
  // Waits for those that have not.
  void collect_all();

 private:
  struct Lap {
    tensor::Moment moment;
    double* phase;  // nullptr: a start
  };

  c10::Device device_;
  core::Stopwatch watch_;  // since the last lap, on the CPU
  std::deque<Lap> laps_;   // on a GPU: the last one that has passed, and those after it
};

}  // namespace salf::train
