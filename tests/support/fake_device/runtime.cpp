// What LibTorch asks of CUDA beside its operators: memory, streams, events, the device itself.
#include <ATen/CPUGeneratorImpl.h>
#include <ATen/detail/CUDAHooksInterface.h>
#include <c10/core/CachingDeviceAllocator.h>
#include <c10/core/impl/DeviceGuardImplInterface.h>

#include <cstdio>
#include <cstdlib>
#include <memory>
#include <vector>

#include "kernels.h"
#include "memory.h"
#include "timeline.h"

namespace salf::fake_device {
namespace {

void report(void* pointer, std::int64_t bytes) {
  c10::reportMemoryUsageToProfiler(pointer, bytes, static_cast<std::size_t>(memory().held()),
      static_cast<std::size_t>(memory().held()), device());
}

void give_back(void* pointer) {
  if (pointer == nullptr) return;
  const std::int64_t before = memory().held();
  memory().give_back(pointer);
  report(pointer, memory().held() - before);
}

class Allocator final : public c10::DeviceAllocator {
 public:
  c10::DataPtr allocate(std::size_t bytes) override {
    const std::int64_t before = memory().held();
    void* const at = bytes == 0 ? nullptr : memory().take(bytes);
    if (at != nullptr) report(at, memory().held() - before);
    return {at, at, &give_back, device()};
  }
  c10::DeleterFnPtr raw_deleter() const override { return &give_back; }
  void copy_data(void* to, const void* from, std::size_t bytes) const override {
    std::memcpy(memory().for_kernels(to), memory().for_kernels(from), bytes);
  }
  bool initialized() override { return true; }
  void emptyCache(c10::MempoolId_t /*pool*/) override {}
  void recordStream(const c10::DataPtr& /*pointer*/, c10::Stream /*stream*/) override {}
  c10::CachingDeviceAllocator::DeviceStats getDeviceStats(c10::DeviceIndex /*index*/) override {
    c10::CachingDeviceAllocator::DeviceStats stats;
    constexpr auto kAll = static_cast<std::size_t>(c10::CachingAllocator::StatType::AGGREGATE);
    for (auto* const bytes : {&stats.allocated_bytes, &stats.reserved_bytes}) {
      (*bytes)[kAll].current = memory().held();
      (*bytes)[kAll].peak = memory().most();
    }
    return stats;
  }
  void resetAccumulatedStats(c10::DeviceIndex /*index*/) override {}
  void resetPeakStats(c10::DeviceIndex /*index*/) override { memory().forget_most(); }
  std::pair<std::size_t, std::size_t> getMemoryInfo(c10::DeviceIndex /*index*/) override {
    return {memory().size() - static_cast<std::size_t>(memory().held()), memory().size()};
  }
};

// Of the host: the heap, remembering what lies there.
class PinnedAllocator final : public c10::Allocator {
 public:
  c10::DataPtr allocate(std::size_t bytes) override {
    auto* const at = static_cast<char*>(std::aligned_alloc(64, (bytes + 63) / 64 * 64));
    ranges()[at] = bytes;
    return {at, at, &release, c10::Device(c10::kCPU)};
  }
  c10::DeleterFnPtr raw_deleter() const override { return &release; }
  void copy_data(void* to, const void* from, std::size_t bytes) const override {
    std::memcpy(to, from, bytes);
  }
  static bool holds(const void* pointer) {
    const char* const at = static_cast<const char*>(pointer);
    const auto after = ranges().upper_bound(at);
    if (after == ranges().begin()) return false;
    const auto range = std::prev(after);
    return at < range->first + range->second;
  }

 private:
  static std::map<const char*, std::size_t>& ranges() {
    static auto* const made = new std::map<const char*, std::size_t>;
    return *made;
  }
  static void release(void* pointer) {
    ranges().erase(static_cast<char*>(pointer));
    std::free(pointer);
  }
};

struct Event {
  std::int64_t work = 0;
};
Event& event(void* pointer) { return *static_cast<Event*>(pointer); }

struct Guard final : c10::impl::DeviceGuardImplInterface {
  static constexpr c10::DeviceType static_type = c10::kCUDA;
  Guard() = default;
  c10::DeviceType type() const override { return static_type; }
  c10::Device exchangeDevice(c10::Device /*other*/) const override { return device(); }
  c10::Device getDevice() const override { return device(); }
  void setDevice(c10::Device /*other*/) const override {}
  void uncheckedSetDevice(c10::Device /*other*/) const noexcept override {}
  c10::DeviceIndex deviceCount() const noexcept override { return 1; }

  c10::Stream getStream(c10::Device /*of*/) const override { return current(); }
  c10::Stream getDefaultStream(c10::Device of) const override {
    return c10::Stream(c10::Stream::DEFAULT, of);
  }
  c10::Stream getStreamFromGlobalPool(c10::Device of, bool /*high_priority*/) const override {
    return c10::Stream(c10::Stream::UNSAFE, of, 1);
  }
  c10::Stream exchangeStream(c10::Stream stream) const override {
    return std::exchange(current(), stream);
  }
  void* getStreamNativeHandle(const c10::Stream /*stream*/) const override { return nullptr; }

  void record(void** made, const c10::Stream& /*stream*/, const c10::DeviceIndex /*index*/,
      const c10::EventFlag /*flag*/) const override {
    if (*made == nullptr) *made = new Event;
    event(*made).work = timeline().now();
  }
  void block(void* /*event*/, const c10::Stream& /*stream*/) const override {}
  bool queryEvent(void* asked) const override { return timeline().is_done(event(asked).work); }
  void destroyEvent(void* old, const c10::DeviceIndex /*index*/) const noexcept override {
    delete static_cast<Event*>(old);
  }
  double elapsedTime(void* /*from*/, void* /*to*/, const c10::DeviceIndex /*i*/) const override {
    return 1.0;  // millisecond
  }
  bool queryStream(const c10::Stream& /*stream*/) const override {
    return timeline().is_done(timeline().now());
  }
  void synchronizeStream(const c10::Stream& /*stream*/) const override {
    timeline().wait_for_all("stream");
  }
  void synchronizeDevice(const c10::DeviceIndex /*index*/) const override {
    timeline().wait_for_all("device");
  }
  void synchronizeEvent(void* asked) const override { timeline().wait(event(asked).work, "event"); }

 private:
  static c10::Stream& current() {
    thread_local c10::Stream stream(c10::Stream::DEFAULT, device());
    return stream;
  }
};

Allocator& device_allocator() {
  static auto* const made = new Allocator;
  return *made;
}

PinnedAllocator& pinned_allocator() {
  static auto* const made = new PinnedAllocator;
  return *made;
}

void write_numbers(
    std::FILE* file, const char* name, const std::map<std::string, std::int64_t>& numbers) {
  std::fprintf(file, "\"%s\": {", name);
  const char* separator = "";
  for (const auto& [key, number] : numbers) {
    std::fprintf(file, "%s\"%s\": %lld", separator, key.c_str(), static_cast<long long>(number));
    separator = ", ";
  }
  std::fprintf(file, "}");
}

void write_report(const char* path) {
  std::FILE* const file = std::fopen(path, "w");
  if (file == nullptr) return;
  const Counters& c = counters();
  const auto number = [file](const char* name, std::int64_t value) {
    std::fprintf(file, "\"%s\": %lld, ", name, static_cast<long long>(value));
  };
  std::fprintf(file, "{");
  number("kernels", c.kernels);
  number("waits", c.waits);
  number("copies_to_device", c.copies_to_device);
  number("bytes_to_device", c.bytes_to_device);
  number("copies_to_host", c.copies_to_host);
  number("bytes_to_host", c.bytes_to_host);
  number("allocations", c.allocations);
  number("most_bytes_held", most_bytes_held());
  write_numbers(file, "by_wait", c.by_wait);
  std::fprintf(file, ", ");
  write_numbers(file, "operators", c.by_operator);
  std::fprintf(file, "}\n");
  std::fclose(file);
}

// The program opens the library by dlopen(), so that everything is registered as it is loaded.
struct AtLoad {
  AtLoad() { c10::SetAllocator(c10::kCUDA, &device_allocator()); }
  ~AtLoad() {
    if (const char* const path = std::getenv("SALF_FAKE_DEVICE_REPORT")) write_report(path);
  }
} at_load;

}  // namespace

struct Hooks : at::CUDAHooksInterface {
  explicit Hooks(at::CUDAHooksArgs /*none*/) {}
  void init() const override {}
  bool hasCUDA() const override { return true; }
  bool hasCUDART() const override { return true; }
  int getNumGPUs() const override { return 1; }
  c10::DeviceIndex current_device() const override { return 0; }
  c10::Allocator* getCUDADeviceAllocator() const override { return &device_allocator(); }
  c10::Allocator* getPinnedMemoryAllocator() const override { return &pinned_allocator(); }
  bool isPinnedPtr(const void* data) const override { return PinnedAllocator::holds(data); }
  void deviceSynchronize(c10::DeviceIndex /*index*/) const override {
    timeline().wait_for_all("device");
  }
  bool supportsBFloat16ConvolutionWithCuDNNv8() const override {
    return std::getenv("SALF_FAKE_DEVICE_OLD") == nullptr;
  }
  bool isBuilt() const override { return true; }
  bool isAvailable() const override { return true; }
  bool hasPrimaryContext(c10::DeviceIndex /*index*/) const override { return true; }
  c10::DeviceIndex deviceCount() const override { return 1; }
  c10::DeviceIndex getCurrentDevice() const override { return 0; }
  c10::DeviceIndex exchangeDevice(c10::DeviceIndex /*index*/) const override { return 0; }
  c10::DeviceIndex maybeExchangeDevice(c10::DeviceIndex /*index*/) const override { return 0; }
  void setCurrentDevice(c10::DeviceIndex /*index*/) const override {}
  const at::Generator& getDefaultGenerator(c10::DeviceIndex /*index*/) const override {
    return at::detail::getDefaultCPUGenerator();
  }
  at::Generator getNewGenerator(c10::DeviceIndex /*index*/) const override {
    return at::detail::createCPUGenerator();
  }
  at::Device getDeviceFromPtr(void* /*pointer*/) const override { return device(); }
};

C10_REGISTER_GUARD_IMPL(CUDA, Guard)

const Counters& counters() {
  timeline().counters.allocations = memory().calls();
  return timeline().counters;
}

void refuse_allocation(std::int64_t number) { memory().refuse(number); }
std::int64_t bytes_held() { return memory().held(); }
std::int64_t most_bytes_held() { return memory().most(); }

}  // namespace salf::fake_device

// LibTorch looks for a class of this name in this namespace.
namespace at {
using salf::fake_device::Hooks;
C10_REGISTER_CLASS(CUDAHooksRegistry, CUDAHooks, Hooks)
}  // namespace at

extern "C" void* salf_fake_device_address(const void* pointer) {
  return salf::fake_device::memory().holds(pointer)
             ? salf::fake_device::memory().for_kernels(pointer)
             : const_cast<void*>(pointer);
}
