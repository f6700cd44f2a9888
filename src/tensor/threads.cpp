#include <ATen/Parallel.h>
#include <sched.h>

#include <cstdlib>
#include <fstream>
#include <set>
#include <string>

#include "core/error.h"
#include "tensor/device.h"

namespace salf::tensor {
namespace {

constexpr std::int64_t kMostThreads = 4096;

// The line that names the processors sharing a core with this one, the same for each of them.
std::string siblings(int processor) {
  std::ifstream file(
      "/sys/devices/system/cpu/cpu" + std::to_string(processor) + "/topology/thread_siblings_list");
  std::string line;
  // Where the kernel does not say, each processor counts as a core.
  if (!std::getline(file, line)) line = "cpu" + std::to_string(processor);
  return line;
}

std::int64_t usable_cores() {
  cpu_set_t allowed;
  CPU_ZERO(&allowed);
  if (::sched_getaffinity(0, sizeof allowed, &allowed) != 0) return 0;
  std::set<std::string> cores;
  for (int processor = 0; processor < CPU_SETSIZE; ++processor) {
    if (CPU_ISSET(static_cast<unsigned>(processor), &allowed)) cores.insert(siblings(processor));
  }
  return static_cast<std::int64_t>(cores.size());
}

}  // namespace

void set_threads(std::int64_t threads) {
  if (threads < 0 || threads > kMostThreads) {
    throw Error(ErrorKind::kUsage, "threads: expected a number from 0 to " +
                                       std::to_string(kMostThreads) + ", got " +
                                       std::to_string(threads));
  }
  if (threads == 0) {
    // Whoever set OMP_NUM_THREADS (CTest, torchrun, a batch system) has shared the machine out
    // already.
    if (std::getenv("OMP_NUM_THREADS") != nullptr) return;
    threads = usable_cores();
  }
  if (threads > 0) at::set_num_threads(static_cast<int>(threads));
}

std::int64_t threads() { return at::get_num_threads(); }

}  // namespace salf::tensor
