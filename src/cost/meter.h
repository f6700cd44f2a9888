// How much energy has the machine really taken? Read from the counters that processors and GPUs
// keep.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

namespace salf::cost {

class EnergyMeter {
 public:
  EnergyMeter() = default;
  virtual ~EnergyMeter() = default;
  EnergyMeter(const EnergyMeter&) = delete;
  EnergyMeter& operator=(const EnergyMeter&) = delete;

  // Since the meter was opened; never falls. Counters wrap (RAPL's after some 262 kJ): to be read
  // more often than that.
  virtual double joules() = 0;
  // What is covered, as half a sentence: "processor packages and memory (RAPL), shared with all
  // that runs there".
  virtual std::string basis() const = 0;
  // False after a counter could no longer be read: joules() has stood still since.
  virtual bool intact() const = 0;
};

// Packages and their memory below `root` (intel-rapl:N, intel-rapl:N:M named "dram"), which AMD's
// processors have there too. Null where none can be read: in most virtual machines, and where only
// root may.
std::unique_ptr<EnergyMeter> open_rapl(const std::string& root = "/sys/class/powercap");

// NVIDIA's management library, opened at run time. `device` counts as CUDA does, within
// CUDA_VISIBLE_DEVICES. It is the whole device's energy, whoever uses it. Null where the library,
// the device or its counter (from Volta on) is missing.
std::unique_ptr<EnergyMeter> open_nvml(
    std::int64_t device, const std::string& library = "libnvidia-ml.so.1");

// The GPU's name, or "" where NVML cannot tell.
std::string gpu_name(std::int64_t device, const std::string& library = "libnvidia-ml.so.1");

// All that can be read: RAPL, and the GPU's where `gpu` is set. On a GPU, its meter is needed and
// the processor's added where it can be read. Null where nothing (or of a GPU's run, not the GPU)
// can be read.
std::unique_ptr<EnergyMeter> open_meter(const std::optional<std::int64_t>& gpu);

}  // namespace salf::cost
