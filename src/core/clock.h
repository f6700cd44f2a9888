// Steady seconds for durations, UTC for records.
#pragma once

#include <string>

namespace salf::core {

// Seconds since an arbitrary start; never goes back.
double steady_seconds();

// Seconds since the kernel started this process, loading included.
double process_seconds();
// From here on, process_seconds() counts from here.
void restart_process_seconds();

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
