#include "core/machine.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <fstream>
#include <sstream>
#include <vector>

#include "core/error.h"
#include "core/log.h"
#include "core/text.h"

namespace salf::core {
namespace {

namespace fs = std::filesystem;

// cgroup v1 says "no limit" by the largest multiple of a page below 2^63.
constexpr std::uint64_t kNoLimit = std::uint64_t{1} << 62;

// What LibTorch and the program hold beside a model.
constexpr std::uint64_t kBesideData = std::uint64_t{100} << 20;

std::vector<std::string> lines_of(const fs::path& path) {
  std::ifstream file(path);
  std::vector<std::string> lines;
  for (std::string line; std::getline(file, line);) lines.push_back(line);
  return lines;
}

std::vector<std::string> words_of(const std::string& line) {
  std::istringstream in(line);
  std::vector<std::string> words;
  for (std::string word; in >> word;) words.push_back(word);
  return words;
}

// Nothing for "max", for -1 and for what is no number.
std::optional<std::uint64_t> number_in(const std::string& text) {
  std::uint64_t value = 0;
  const char* const end = text.data() + text.size();
  const auto parsed = std::from_chars(text.data(), end, value);
  if (parsed.ec != std::errc() || parsed.ptr != end || value >= kNoLimit) return std::nullopt;
  return value;
}

std::optional<std::uint64_t> number_of(const fs::path& path) {
  const std::vector<std::string> lines = lines_of(path);
  return lines.empty() ? std::nullopt : number_in(without_blanks(lines.front()));
}

// The value behind a name in lines of names and values; 0 without it.
std::uint64_t entry_of(const fs::path& path, const std::string& name) {
  for (const std::string& line : lines_of(path)) {
    const std::vector<std::string> words = words_of(line);
    if (words.size() >= 2 && words[0] == name) return number_in(words[1]).value_or(0);
  }
  return 0;
}

// mountinfo writes blanks as \040.
std::string unescaped(const std::string& text) {
  std::string plain;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\\' && text.compare(i, 4, "\\040") == 0) {
      plain += ' ';
      i += 3;
    } else {
      plain += text[i];
    }
  }
  return plain;
}

bool has_item(const std::string& list, const std::string& item) {
  return ("," + list + ",").find("," + item + ",") != std::string::npos;
}

// A process's group within the mounted hierarchy of a controller ("" for v2).
struct Place {
  fs::path mount, group;
};

struct Mount {
  std::string root, point;
};

std::optional<Mount> find_mount(const fs::path& root, const std::string& controller) {
  for (const std::string& line : lines_of(root / "proc/self/mountinfo")) {
    const std::vector<std::string> words = words_of(line);
    const auto dash = std::find(words.begin(), words.end(), "-");
    if (words.size() < 6 || words.end() - dash < 4) continue;
    const bool found = controller.empty() ? dash[1] == "cgroup2"
                                          : dash[1] == "cgroup" && has_item(dash[3], controller);
    if (found) return Mount{unescaped(words[3]), unescaped(words[4])};
  }
  return std::nullopt;
}

// "/a/b" below "/a" is "b". Nothing for a path outside.
std::optional<std::string> below(const std::string& path, const std::string& folder) {
  if (folder == "/") return path.substr(1);
  if (path == folder) return "";
  if (starts_with(path, folder + "/")) return path.substr(folder.size() + 1);
  return std::nullopt;
}

std::optional<Place> find_place(const fs::path& root, const std::string& controller) {
  const std::optional<Mount> mount = find_mount(root, controller);
  if (!mount) return std::nullopt;
  const fs::path point = root / fs::path(mount->point).relative_path();
  Place place{point, point};
  for (const std::string& line : lines_of(root / "proc/self/cgroup")) {
    const std::size_t first = line.find(':');
    const std::size_t second = first == std::string::npos ? first : line.find(':', first + 1);
    if (second == std::string::npos || line[second + 1] != '/') continue;
    const std::string controllers = line.substr(first + 1, second - first - 1);
    if (controller.empty() ? !controllers.empty() : !has_item(controllers, controller)) continue;
    // In a container the group's path may be one that is not mounted: what is mounted is its own.
    const auto inside = below(line.substr(second + 1), mount->root);
    const bool mounted = inside && inside->find("..") == std::string::npos;
    std::error_code ignored;
    if (mounted && fs::is_directory(point / *inside, ignored)) place.group = point / *inside;
  }
  return place;
}

template <class Visit> void for_each_group(const Place& place, const Visit& visit) {
  for (fs::path group = place.group;; group = group.parent_path()) {
    visit(group);
    if (group == place.mount || !group.has_relative_path()) return;
  }
}

template <class T> bool lower(std::optional<T>& least, const std::optional<T>& value) {
  if (!value || (least && *least <= *value)) return false;
  least = value;
  return true;
}

std::optional<double> processors_of(std::optional<std::uint64_t> quota, std::uint64_t period) {
  if (!quota || *quota == 0 || period == 0) return std::nullopt;
  return static_cast<double>(*quota) / static_cast<double>(period);
}

void take_processors(GroupLimits& limits, const fs::path& group, std::optional<double> value) {
  if (lower(limits.processors, value)) limits.processor_group = group;
}

void take_memory(GroupLimits& limits, const fs::path& group, std::optional<std::uint64_t> limit,
    std::optional<std::uint64_t> used, std::uint64_t file_cache) {
  if (!limit) return;
  if (lower(limits.memory, limit)) limits.memory_group = group;
  if (!used) return;
  const std::uint64_t held = *used - std::min(*used, file_cache);
  lower(limits.free, std::optional(*limit - std::min(*limit, held)));
}

void read_v2(const fs::path& root, GroupLimits& limits) {
  const auto place = find_place(root, "");
  if (!place) return;
  limits.version = "v2";
  for_each_group(*place, [&](const fs::path& group) {
    const std::vector<std::string> quota = lines_of(group / "cpu.max");
    const std::vector<std::string> words = quota.empty() ? quota : words_of(quota.front());
    if (words.size() == 2)
      take_processors(
          limits, group, processors_of(number_in(words[0]), number_in(words[1]).value_or(0)));
    // Above memory.high the kernel takes pages back as fast as the process asks for them.
    std::optional<std::uint64_t> limit = number_of(group / "memory.max");
    lower(limit, number_of(group / "memory.high"));
    const fs::path state = group / "memory.stat";
    take_memory(limits, group, limit, number_of(group / "memory.current"),
        entry_of(state, "inactive_file") + entry_of(state, "active_file"));
    lower(limits.swap, number_of(group / "memory.swap.max"));
  });
}

void read_v1_memory(const fs::path& root, GroupLimits& limits) {
  const auto place = find_place(root, "memory");
  if (!place) return;
  limits.version = "v1";
  for_each_group(*place, [&](const fs::path& group) {
    const fs::path state = group / "memory.stat";
    std::optional<std::uint64_t> limit = number_of(group / "memory.limit_in_bytes");
    const std::optional<std::uint64_t> both = number_of(group / "memory.memsw.limit_in_bytes");
    take_memory(limits, group, limit, number_of(group / "memory.usage_in_bytes"),
        entry_of(state, "total_inactive_file") + entry_of(state, "total_active_file"));
    if (limit && both) lower(limits.swap, std::optional(*both - std::min(*both, *limit)));
    // Of ancestors that are not mounted here.
    const std::uint64_t of_ancestors = entry_of(state, "hierarchical_memory_limit");
    if (of_ancestors > 0) take_memory(limits, group, of_ancestors, std::nullopt, 0);
  });
}

void read_v1_processors(const fs::path& root, GroupLimits& limits) {
  const auto place = find_place(root, "cpu");
  if (!place) return;
  limits.version = "v1";
  for_each_group(*place, [&](const fs::path& group) {
    take_processors(limits, group,
        processors_of(number_of(group / "cpu.cfs_quota_us"),
            number_of(group / "cpu.cfs_period_us").value_or(0)));
  });
}

}  // namespace

GroupLimits group_limits(const fs::path& root) {
  GroupLimits limits;
  read_v2(root, limits);
  // Both may be mounted; a controller is in one of them.
  read_v1_memory(root, limits);
  read_v1_processors(root, limits);
  return limits;
}

HostMemory host_memory(const fs::path& root) {
  const fs::path file = root / "proc/meminfo";
  constexpr std::uint64_t kKiB = 1024;
  return {kKiB * entry_of(file, "MemTotal:"), kKiB * entry_of(file, "MemAvailable:"),
      kKiB * entry_of(file, "SwapTotal:")};
}

UsableMemory usable_memory(const HostMemory& host, const GroupLimits& limits) {
  UsableMemory usable{host.total, host.total + host.swap, host.available, false};
  if (!limits.memory || (host.total > 0 && *limits.memory >= host.total)) return usable;
  usable.of_group = true;
  usable.bytes = *limits.memory;
  const std::uint64_t swap = std::min(host.swap, limits.swap.value_or(host.swap));
  usable.with_swap = usable.bytes + swap;
  const std::uint64_t free = limits.free.value_or(*limits.memory);
  usable.free = host.available > 0 ? std::min(host.available, free) : free;
  return usable;
}

UsableMemory usable_memory() { return usable_memory(host_memory(), group_limits()); }

const char* who_allows(const UsableMemory& memory) {
  return memory.of_group ? "the control group of this process allows" : "this machine has";
}

void check_memory(const std::string& doing, std::uint64_t bytes, const UsableMemory& usable,
    const std::string& advice) {
  if (usable.bytes == 0) return;
  const std::uint64_t needed = bytes + kBesideData;
  const std::string needs = doing + " needs " + format_bytes(needed) + " of memory, and ";
  if (needed > usable.with_swap) {
    throw Error(ErrorKind::kIo,
        needs + who_allows(usable) + " " + format_bytes(usable.with_swap) + "; " + advice);
  }
  if (needed > usable.free) {
    log_warning(needs + format_bytes(usable.free) +
                " are free now: it may be slow, or the system may end it");
  }
}

std::int64_t threads_within(const GroupLimits& limits, std::int64_t threads) {
  if (!limits.processors || !(*limits.processors < static_cast<double>(threads))) return threads;
  return std::max<std::int64_t>(1, std::llround(std::ceil(*limits.processors)));
}

}  // namespace salf::core
