// How much memory does this process hold, and how much of it is used?
#pragma once

#include <cstdint>

namespace salf::train {

struct MemoryUse {
  std::int64_t peak_resident = 0;  // VmHWM: libraries and mapped files included; never falls
  std::int64_t anonymous = 0;      // RssAnon now
};

// In bytes, from /proc/self/status; zeros where that cannot be read.
MemoryUse memory_use();

// core::trim_heap() where more than a tenth of the `anonymous` bytes of the process lies free.
// Batches of varying length leave gaps between what lives, and without this their heap grows by a
// third within twenty steps.
void trim_wasteful_heap(std::int64_t anonymous);

}  // namespace salf::train
