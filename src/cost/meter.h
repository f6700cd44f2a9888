// Meters that read the energy counters of processors and GPUs.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/fields.h"

namespace salf::cost {

class EnergyMeter {
 public:
  EnergyMeter() = default;
  virtual ~EnergyMeter() = default;
  EnergyMeter(const EnergyMeter&) = delete;
  EnergyMeter& operator=(const EnergyMeter&) = delete;

  // Joules since the meter was opened; never falls. Read it before a counter wraps (RAPL: 262 kJ).
  virtual double joules() = 0;
  // What the meter covers: "processor packages and memory (RAPL), …".
  virtual std::string basis() const = 0;
  // False once a counter could not be read; joules() then stands still.
  virtual bool intact() const = 0;
};

// Packages and their memory below `root` (intel-rapl:N, intel-rapl:N:M named "dram"), of Intel's
// and AMD's processors. Null if none can be read: in most virtual machines, and without the rights.
std::unique_ptr<EnergyMeter> open_rapl(const std::string& root = "/sys/class/powercap");

// The energy of a whole GPU, by NVIDIA's management library, opened at run time. `device` is CUDA's
// number within CUDA_VISIBLE_DEVICES, in CUDA's order: CUDA's driver tells the UUID by which NVML
// finds it. Null without the library, the device or its counter (from Volta on).
std::unique_ptr<EnergyMeter> open_nvml(std::int64_t device,
    const std::string& library = "libnvidia-ml.so.1", const std::string& driver = "libcuda.so.1");

// The GPU's name; "" if NVML does not know it.
std::string gpu_name(std::int64_t device, const std::string& library = "libnvidia-ml.so.1",
    const std::string& driver = "libcuda.so.1");

struct Gpu {
  std::string name;
  std::string uuid;     // "GPU-…", as CUDA_VISIBLE_DEVICES takes it
  std::string compute;  // compute capability, "9.0"
  std::int64_t memory_bytes = 0, free_bytes = 0;

  template <class Self, class Visitor> static void fields(Self& self, Visitor& visit) {
    visit(Field{"name"}, self.name);
    visit(Field{"uuid"}, self.uuid);
    visit(Field{"compute"}, self.compute);
    visit(Field{"memory_bytes"}, self.memory_bytes);
    visit(Field{"free_bytes"}, self.free_bytes);
  }
};

// What NVML says of the machine's GPUs, whether CUDA shows them or not. Fields that it does not
// tell stay empty.
struct GpuList {
  std::string driver;   // version, "580.65.06"
  std::string problem;  // "": it answered. "Driver/library version mismatch"
  std::vector<Gpu> gpus;

  template <class Self, class Visitor> static void fields(Self& self, Visitor& visit) {
    visit(Field{"driver"}, self.driver);
    visit(Field{"problem"}, self.problem);
    visit(Field{"gpus"}, self.gpus);
  }
};
GpuList list_gpus(const std::string& library = "libnvidia-ml.so.1");

// What a process counts: the GPU's meter, where it is given, and RAPL with `processor`, which a GPU
// can do without. Null if the needed meter cannot be read, or nothing is to be counted.
std::unique_ptr<EnergyMeter> open_meter(
    const std::optional<std::int64_t>& gpu, bool processor = true);

}  // namespace salf::cost
