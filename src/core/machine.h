// What this process may use of the machine: the host's memory, and the limits of its control groups
// (cgroup v1 and v2), which containers and batch systems set.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>

namespace salf::core {

// Each is the smallest over the process's groups and their ancestors; not set: no limit.
struct GroupLimits {
  std::string version;                    // "v1", "v2"; "": no control group can be read
  std::optional<double> processors;       // processor seconds a second: 1.5
  std::optional<std::uint64_t> memory;    // bytes, file cache included
  std::optional<std::uint64_t> free;      // of `memory`, file cache counted as free
  std::optional<std::uint64_t> swap;      // bytes beside `memory`
  std::filesystem::path processor_group;  // the groups that set the limits
  std::filesystem::path memory_group;
};

// `root`: the folder that holds proc/self/cgroup, proc/self/mountinfo and the groups. Files that
// are missing or say nothing are no limits.
GroupLimits group_limits(const std::filesystem::path& root = "/");

// Bytes as in proc/meminfo below `root`; 0: not known.
struct HostMemory {
  std::uint64_t total = 0;
  std::uint64_t available = 0;  // without swap
  std::uint64_t swap = 0;
};
HostMemory host_memory(const std::filesystem::path& root = "/");

struct UsableMemory {
  std::uint64_t bytes = 0;      // that the process may hold; 0: not known
  std::uint64_t with_swap = 0;  // the same, swapped pages included
  std::uint64_t free = 0;       // that it may take now
  bool of_group = false;        // a control group sets `bytes`, not the machine
};
UsableMemory usable_memory(const HostMemory& host, const GroupLimits& limits);
UsableMemory usable_memory();

// "the control group allows" or "this machine has": before the bytes in messages.
const char* who_allows(const UsableMemory& memory);

// For something that holds `bytes` ("model.pt: loading it") beside the program. Throws Error(kIo)
// with both figures and `advice` where `usable` with its swap space is less; warns where less is
// free now.
void check_memory(const std::string& doing, std::uint64_t bytes, const UsableMemory& usable,
    const std::string& advice);

// `threads`, but no more than the group's processor time keeps busy, rounded up.
std::int64_t threads_within(const GroupLimits& limits, std::int64_t threads);

}  // namespace salf::core
