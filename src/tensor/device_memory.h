// The memory of a GPU and what its allocator took of it for tensors.
#pragma once

#include <c10/core/Device.h>

#include <cstdint>

namespace salf::tensor {

// Bytes. REQUIRES: `device` is a GPU
struct DeviceMemory {
  std::int64_t total = 0;
  // That this process could have: what nobody holds, and what its tensors do.
  std::int64_t usable = 0;
};
DeviceMemory device_memory(c10::Device device);

// What tensors hold on the GPU, and the most since the process began or forget_most_held().
std::int64_t bytes_held(c10::Device device);
std::int64_t most_bytes_held(c10::Device device);
void forget_most_held(c10::Device device);

}  // namespace salf::tensor
