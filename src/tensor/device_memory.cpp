#include "tensor/device_memory.h"

#include <c10/core/CachingDeviceAllocator.h>

namespace salf::tensor {
namespace {

constexpr auto kAll = static_cast<std::size_t>(c10::CachingAllocator::StatType::AGGREGATE);

c10::CachingDeviceAllocator::DeviceStats stats_of(c10::Device device) {
  return c10::getDeviceAllocator(device.type())->getDeviceStats(device.index());
}

}  // namespace

DeviceMemory device_memory(c10::Device device) {
  const auto [free, total] = c10::getDeviceAllocator(device.type())->getMemoryInfo(device.index());
  return {static_cast<std::int64_t>(total),
      static_cast<std::int64_t>(free) + stats_of(device).reserved_bytes[kAll].current};
}

std::int64_t bytes_held(c10::Device device) {
  return stats_of(device).allocated_bytes[kAll].current;
}

std::int64_t most_bytes_held(c10::Device device) {
  return stats_of(device).allocated_bytes[kAll].peak;
}

void forget_most_held(c10::Device device) {
  c10::getDeviceAllocator(device.type())->resetPeakStats(device.index());
}

}  // namespace salf::tensor
