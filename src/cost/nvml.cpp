// NVIDIA's management library: declared here as far as it is used, so that nothing is needed to
// build.
#include <dlfcn.h>

#include <array>
#include <cstdlib>
#include <string>
#include <vector>

#include "cost/meter.h"

namespace salf::cost {
namespace {

using Handle = void*;        // nvmlDevice_t
constexpr int kSuccess = 0;  // NVML_SUCCESS
constexpr unsigned kTextSize = 96;

class Library {
 public:
  explicit Library(const std::string& name)
      : library_(::dlopen(name.c_str(), RTLD_NOW | RTLD_LOCAL)) {
    if (library_ == nullptr) {
      problem_ = name + " does not load";
      return;
    }
    load("nvmlInit_v2", init_);
    load("nvmlShutdown", shutdown_);
    load("nvmlDeviceGetHandleByIndex_v2", by_index_);
    load("nvmlDeviceGetHandleByUUID", by_uuid_);
    load("nvmlDeviceGetTotalEnergyConsumption", energy_);
    load("nvmlDeviceGetName", name_);
    load("nvmlErrorString", error_);
    load("nvmlSystemGetDriverVersion", driver_);
    load("nvmlDeviceGetCount_v2", count_);
    load("nvmlDeviceGetUUID", uuid_);
    load("nvmlDeviceGetMemoryInfo", memory_);
    load("nvmlDeviceGetCudaComputeCapability", compute_);
    if (init_ == nullptr || by_index_ == nullptr) {
      problem_ = name + " lacks functions";
      return;
    }
    const int code = init_();
    ready_ = code == kSuccess;
    if (!ready_) problem_ = error_ == nullptr ? name + " does not start" : error_(code);
  }
  ~Library() {
    if (ready_ && shutdown_ != nullptr) shutdown_();
    if (library_ != nullptr) ::dlclose(library_);
  }
  Library(const Library&) = delete;
  Library& operator=(const Library&) = delete;

  Handle device(const std::string& visible) const {
    Handle handle = nullptr;
    if (!ready_) return nullptr;
    char* end = nullptr;
    const unsigned long index = std::strtoul(visible.c_str(), &end, 10);
    const bool number = !visible.empty() && *end == '\0';
    const bool found = number
                           ? by_index_(static_cast<unsigned>(index), &handle) == kSuccess
                           : by_uuid_ != nullptr && by_uuid_(visible.c_str(), &handle) == kSuccess;
    return found ? handle : nullptr;
  }

  std::optional<double> joules(Handle device) const {
    unsigned long long millijoules = 0;
    if (energy_ == nullptr || energy_(device, &millijoules) != kSuccess) return std::nullopt;
    return 1e-3 * static_cast<double>(millijoules);
  }

  std::string name(Handle device) const { return text_of(name_, device); }
  const std::string& problem() const { return problem_; }

  std::string driver() const {
    std::array<char, kTextSize> text{};
    if (!ready_ || driver_ == nullptr || driver_(text.data(), kTextSize - 1) != kSuccess) return "";
    return text.data();
  }

  std::vector<Gpu> gpus() const {
    unsigned count = 0;
    if (!ready_ || count_ == nullptr || count_(&count) != kSuccess) return {};
    std::vector<Gpu> all;
    for (unsigned i = 0; i < count; ++i) {
      Handle handle = nullptr;
      all.push_back(by_index_(i, &handle) == kSuccess ? gpu(handle) : Gpu{});
    }
    return all;
  }

 private:
  using TextFunction = int (*)(Handle, char*, unsigned);
  struct Memory {  // nvmlMemory_t, bytes
    unsigned long long total, free, used;
  };

  static std::string text_of(TextFunction function, Handle device) {
    std::array<char, kTextSize> text{};
    if (function == nullptr || function(device, text.data(), kTextSize - 1) != kSuccess) return "";
    return text.data();
  }

  Gpu gpu(Handle device) const {
    Gpu found;
    found.name = name(device);
    found.uuid = text_of(uuid_, device);
    Memory memory{};
    if (memory_ != nullptr && memory_(device, &memory) == kSuccess) {
      found.memory_bytes = static_cast<std::int64_t>(memory.total);
      found.free_bytes = static_cast<std::int64_t>(memory.free);
    }
    int major = 0, minor = 0;
    if (compute_ != nullptr && compute_(device, &major, &minor) == kSuccess)
      found.compute = std::to_string(major) + "." + std::to_string(minor);
    return found;
  }

  template <class Function> void load(const char* symbol, Function& function) {
    function = reinterpret_cast<Function>(::dlsym(library_, symbol));
  }

  void* library_;
  bool ready_ = false;
  std::string problem_;
  int (*init_)() = nullptr;
  int (*shutdown_)() = nullptr;
  int (*by_index_)(unsigned, Handle*) = nullptr;
  int (*by_uuid_)(const char*, Handle*) = nullptr;
  int (*energy_)(Handle, unsigned long long*) = nullptr;
  TextFunction name_ = nullptr, uuid_ = nullptr;
  const char* (*error_)(int) = nullptr;
  int (*driver_)(char*, unsigned) = nullptr;
  int (*count_)(unsigned*) = nullptr;
  int (*memory_)(Handle, Memory*) = nullptr;
  int (*compute_)(Handle, int*, int*) = nullptr;
};

// The UUID of CUDA's device as NVML writes it, by CUDA's driver: CUDA may number and hide devices
// otherwise than NVML. "" where the driver is missing or does not tell.
std::string cuda_uuid(std::int64_t device, const std::string& driver) {
  using Uuid = std::array<unsigned char, 16>;
  void* const library = ::dlopen(driver.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr) return "";
  // CUDA itself uses it: it stays open.
  const auto init = reinterpret_cast<int (*)(unsigned)>(::dlsym(library, "cuInit"));
  const auto get = reinterpret_cast<int (*)(int*, int)>(::dlsym(library, "cuDeviceGet"));
  auto uuid = reinterpret_cast<int (*)(Uuid*, int)>(::dlsym(library, "cuDeviceGetUuid_v2"));
  if (uuid == nullptr)
    uuid = reinterpret_cast<int (*)(Uuid*, int)>(::dlsym(library, "cuDeviceGetUuid"));
  int handle = 0;
  Uuid bytes{};
  const bool known = init != nullptr && get != nullptr && uuid != nullptr && init(0) == kSuccess &&
                     get(&handle, static_cast<int>(device)) == kSuccess &&
                     uuid(&bytes, handle) == kSuccess;
  if (!known) return "";
  std::string text = "GPU-";
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    constexpr const char* kDigits = "0123456789abcdef";
    if (i == 4 || i == 6 || i == 8 || i == 10) text += '-';
    text += {kDigits[bytes[i] >> 4U], kDigits[bytes[i] & 15U]};
  }
  return text;
}

// Without CUDA's driver: the entry of CUDA_VISIBLE_DEVICES, a number or a UUID.
std::string visible_device(std::int64_t device) {
  const char* const list = std::getenv("CUDA_VISIBLE_DEVICES");
  if (list == nullptr) return std::to_string(device);
  std::vector<std::string> entries(1);
  for (const char* at = list; *at != '\0'; ++at) {
    if (*at == ',') {
      entries.emplace_back();
    } else if (*at != ' ') {
      entries.back() += *at;
    }
  }
  const auto index = static_cast<std::size_t>(device);
  return index < entries.size() ? entries[index] : "";
}

std::string nvml_name(std::int64_t device, const std::string& driver) {
  const std::string uuid = cuda_uuid(device, driver);
  return uuid.empty() ? visible_device(device) : uuid;
}

class NvmlMeter : public EnergyMeter {
 public:
  NvmlMeter(std::unique_ptr<Library> library, Handle device, double first)
      : library_(std::move(library)), device_(device), first_(first), last_(first) {}

  double joules() override {
    const std::optional<double> now = library_->joules(device_);
    // The counter counts from the driver's start; a driver that was loaded again is another
    // counter.
    if (!now || *now < last_) {
      intact_ = false;
    } else if (intact_) {
      last_ = *now;
    }
    return last_ - first_;
  }
  std::string basis() const override { return "the whole GPU (NVML), whoever else uses it"; }
  bool intact() const override { return intact_; }

 private:
  std::unique_ptr<Library> library_;
  Handle device_;
  double first_, last_;
  bool intact_ = true;
};

}  // namespace

std::unique_ptr<EnergyMeter> open_nvml(
    std::int64_t device, const std::string& library, const std::string& driver) {
  auto loaded = std::make_unique<Library>(library);
  Handle const handle = loaded->device(nvml_name(device, driver));
  if (handle == nullptr) return nullptr;
  const std::optional<double> now = loaded->joules(handle);
  if (!now) return nullptr;
  return std::make_unique<NvmlMeter>(std::move(loaded), handle, *now);
}

std::string gpu_name(std::int64_t device, const std::string& library, const std::string& driver) {
  const Library loaded(library);
  Handle const handle = loaded.device(nvml_name(device, driver));
  return handle == nullptr ? "" : loaded.name(handle);
}

GpuList list_gpus(const std::string& library) {
  const Library loaded(library);
  return {loaded.driver(), loaded.problem(), loaded.gpus()};
}

}  // namespace salf::cost
