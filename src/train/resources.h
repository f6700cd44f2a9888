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

// Gives the heap's free pages back to the system, so that what is held is what is used. With glibc; nothing elsewhere.
void trim_heap();

// The same where more than a tenth of what the process holds lies free. Batches of varying length leave gaps between
// what lives, and without this their heap grows by a third within twenty steps.
void trim_wasteful_heap();

}  // namespace salf::train
