// What time is it? Seconds of a steady clock for durations, and the calendar's for records.
#pragma once

#include <string>

namespace salf::core {

// Seconds since an arbitrary start; never goes back.
double steady_seconds();

// Seconds since this process was started (by the kernel's account, so that loading is counted).
double process_seconds();

// "2026-11-23T23:52:49Z"
std::string utc_now();

class Stopwatch {
 public:
  Stopwatch() : start_(steady_seconds()) {}
  double seconds() const { return steady_seconds() - start_; }

 private:
  double start_;
};

}  // namespace salf::core
