// Watts of a machine by a table, for machines without a meter.
#pragma once

#include "core/fields.h"

namespace salf::cost {

struct Device {
  std::string match;         // part of the system's name for it
  std::string kind = "cpu";  // or "gpu"
  double watts = 0.0;        // of all of it under load
  std::int64_t threads = 0;  // of a processor, hardware threads
  std::optional<double> peak_tflops;
  std::string source;

  template <class Self, class Visitor> static void fields(Self& self, Visitor& visit) {
    visit("match", self.match);
    visit("kind", self.kind);
    visit(Field{"watts"}.range(0.1, 1e6), self.watts);
    visit(Field{"threads"}.range(0, 1e6), self.threads);
    visit(Field{"peak_tflops"}.range(0, 1e9), self.peak_tflops);
    visit("source", self.source);
  }
};

// configs/hardware.json; the first device that matches is taken.
struct HardwareTable {
  static constexpr const char* kSchema = "salf.hardware/1";
  double watts_per_thread = 0.0;  // of a processor that is not listed
  std::string watts_per_thread_source;
  std::vector<Device> devices;

  template <class Self, class Visitor> static void fields(Self& self, Visitor& visit) {
    visit(Field{"watts_per_thread"}.range(0.01, 1e4), self.watts_per_thread);
    visit("watts_per_thread_source", self.watts_per_thread_source);
    visit("devices", self.devices);
  }
};

// Reads the table in `path`; "" gives the built-in one. Throws Error(kIo), Error(kBadInput).
HardwareTable read_hardware(const std::string& path);

// The machine of a run.
struct MachineFacts {
  std::string processor;     // as in /proc/cpuinfo
  std::int64_t threads = 1;  // that the run uses
  std::string gpu;           // its name; "": none is used
};

struct StatedWatts {
  double watts = 0.0;
  std::string basis;
};

// A processor's watts are shared by its hardware threads: a run with 2 of 128 counts 2/128. A GPU
// counts as a whole, with the run's processor threads. A GPU that is not listed gives 0 W and a
// basis that asks for --watts.
StatedWatts stated_watts(const HardwareTable& table, const MachineFacts& machine);

}  // namespace salf::cost
