#include "resources.h"

#include <fstream>
#include <sstream>
#include <string>

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

}  // namespace salf::train
