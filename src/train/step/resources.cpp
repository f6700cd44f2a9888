#include "train/step/resources.h"

#include <malloc.h>

#include <fstream>
#include <sstream>
#include <string>

#include "core/heap.h"

namespace salf::train {

MemoryUse memory_use() {
  MemoryUse use;
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);) {
    std::istringstream words(line);
    std::string name;
    std::int64_t kibibytes = 0;
    words >> name >> kibibytes;
    if (name == "VmHWM:") use.peak_resident = kibibytes * 1024;
    if (name == "RssAnon:") use.anonymous = kibibytes * 1024;
  }
  return use;
}

void trim_wasteful_heap([[maybe_unused]] std::int64_t anonymous) {
#if defined(__GLIBC__) && __GLIBC_PREREQ(2, 33)
  constexpr double kMostWaste = 0.1;
  const struct mallinfo2 heap = ::mallinfo2();
  const auto held = static_cast<double>(anonymous);
  if (held - static_cast<double>(heap.uordblks + heap.hblkhd) > kMostWaste * held)
    core::trim_heap();
#endif
}

}  // namespace salf::train
