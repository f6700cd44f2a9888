#include "core/machine.h"

#include <gtest/gtest.h>

#include <fstream>

#include "support/temporary_folder.h"

namespace salf::core {
namespace {

namespace fs = std::filesystem;

// The files of a machine as a process sees them.
class Machine : public ::testing::Test {
 protected:
  void write(const std::string& file, const std::string& text) {
    fs::create_directories((root_.path() / file).parent_path());
    std::ofstream(root_.path() / file) << text << "\n";
  }
  void mounted_v2(const std::string& group) {
    write("proc/self/mountinfo",
        "22 27 0:21 / /proc rw - proc proc rw\n"
        "30 23 0:26 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate");
    write("proc/self/cgroup", "0::" + group);
    fs::create_directories(root_.path() / ("sys/fs/cgroup" + group));
  }
  // Controllers as Debian mounts them, `seen` as their root.
  void mounted_v1(const std::string& group, const std::string& seen = "/") {
    write(
        "proc/self/mountinfo", "33 32 0:29 " + seen +
                                   " /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct\n"
                                   "35 32 0:31 " +
                                   seen + " /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory");
    write("proc/self/cgroup",
        "4:memory:" + group + "\n2:cpu,cpuacct:" + group + "\n1:name=systemd:/\n0::/");
    for (const char* const controller : {"cpu,cpuacct", "memory"})
      fs::create_directories(root_.path() / ("sys/fs/cgroup/" + std::string(controller) + group));
  }
  GroupLimits limits() const { return group_limits(root_.path()); }

  testing::TemporaryFolder root_;
};

TEST_F(Machine, WithoutControlGroupsHasNoLimits) {
  const GroupLimits found = limits();
  EXPECT_EQ(found.version, "");
  EXPECT_FALSE(found.memory || found.processors || found.free || found.swap);
  EXPECT_EQ(threads_within(found, 7), 7);
}

TEST_F(Machine, V2LimitsAreTheSmallestOfTheAncestors) {
  mounted_v2("/batch/job");
  write("sys/fs/cgroup/batch/job/cpu.max", "max 100000");
  write("sys/fs/cgroup/batch/cpu.max", "150000 100000");
  write("sys/fs/cgroup/batch/job/memory.max", "4000000000");
  write("sys/fs/cgroup/batch/job/memory.current", "1500000000");
  write("sys/fs/cgroup/batch/job/memory.stat",
      "anon 500000000\nfile 1000000000\ninactive_file 900000000\nactive_file 100000000");
  write("sys/fs/cgroup/batch/memory.max", "6000000000");
  write("sys/fs/cgroup/batch/memory.current", "5900000000");
  write("sys/fs/cgroup/batch/job/memory.swap.max", "0");
  const GroupLimits found = limits();
  EXPECT_EQ(found.version, "v2");
  EXPECT_EQ(found.processors, 1.5);
  EXPECT_EQ(found.processor_group, root_.path() / "sys/fs/cgroup/batch");
  EXPECT_EQ(found.memory, 4000000000U);
  EXPECT_EQ(found.memory_group, root_.path() / "sys/fs/cgroup/batch/job");
  EXPECT_EQ(found.free, 100000000U) << "the other processes of the batch hold the rest";
  EXPECT_EQ(found.swap, 0U);
  EXPECT_EQ(threads_within(found, 8), 2);
  EXPECT_EQ(threads_within(found, 1), 1);
}

TEST_F(Machine, V2KnowsTheLimitThatSlowsDown) {
  mounted_v2("/job");
  write("sys/fs/cgroup/job/memory.max", "max");
  write("sys/fs/cgroup/job/memory.high", "3000000000");
  EXPECT_EQ(limits().memory, 3000000000U);
  EXPECT_FALSE(limits().free) << "what is held is not told";
}

TEST_F(Machine, V1LimitsAreRead) {
  mounted_v1("/job");
  const std::string memory = "sys/fs/cgroup/memory/job/";
  write(memory + "memory.limit_in_bytes", "2000000000");
  write(memory + "memory.memsw.limit_in_bytes", "2500000000");
  write(memory + "memory.usage_in_bytes", "700000000");
  write(memory + "memory.stat",
      "cache 1\ntotal_inactive_file 150000000\ntotal_active_file 50000000\n"
      "hierarchical_memory_limit 1800000000");
  write("sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712");
  write("sys/fs/cgroup/cpu,cpuacct/job/cpu.cfs_quota_us", "50000");
  write("sys/fs/cgroup/cpu,cpuacct/job/cpu.cfs_period_us", "100000");
  write("sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us", "-1");
  write("sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us", "100000");
  const GroupLimits found = limits();
  EXPECT_EQ(found.version, "v1");
  EXPECT_EQ(found.memory, 1800000000U) << "an ancestor that is not mounted allows less";
  EXPECT_EQ(found.free, 1500000000U);
  EXPECT_EQ(found.swap, 500000000U);
  EXPECT_EQ(found.processors, 0.5);
  EXPECT_EQ(threads_within(found, 4), 1);
}

TEST_F(Machine, AContainerSeesItsOwnGroupAsTheMount) {
  mounted_v1("/", "/docker/4f2a");
  write("proc/self/cgroup", "4:memory:/docker/4f2a\n2:cpu,cpuacct:/docker/4f2a");
  write("sys/fs/cgroup/memory/memory.limit_in_bytes", "1000000000");
  EXPECT_EQ(limits().memory, 1000000000U);

  mounted_v2("/");
  write("proc/self/cgroup", "0::/../other");  // a namespace of groups
  write("sys/fs/other/memory.max", "7");
  write("sys/fs/cgroup/memory.max", "500000000");
  EXPECT_EQ(limits().memory, 500000000U);
}

TEST_F(Machine, BothVersionsMayBeMounted) {
  mounted_v1("/job");
  write("sys/fs/cgroup/memory/job/memory.limit_in_bytes", "2000000000");
  std::ofstream(root_.path() / "proc/self/mountinfo", std::ios::app)
      << "41 31 0:38 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n";
  fs::create_directories(root_.path() / "sys/fs/cgroup/unified");
  EXPECT_EQ(limits().memory, 2000000000U);
  EXPECT_EQ(limits().version, "v1");
}

TEST_F(Machine, FilesThatSayNothingAreNoLimits) {
  mounted_v2("/job");
  const std::string group = "sys/fs/cgroup/job/";
  for (const char* const text : {"", "max", "-1", "x", "1e9", "99999999999999999999"}) {
    write(group + "memory.max", text);
    write(group + "memory.swap.max", text);
    EXPECT_FALSE(limits().memory) << text;
    EXPECT_FALSE(limits().swap) << text;
  }
  for (const char* const text : {"", "max 100000", "100000", "0 100000", "100000 0", "a b"}) {
    write(group + "cpu.max", text);
    EXPECT_FALSE(limits().processors) << text;
  }
  for (const char* const line : {"", "0:", "0::", "::", "no colons", "0::relative"}) {
    write("proc/self/cgroup", line);
    write("sys/fs/cgroup/memory.max", "7");
    EXPECT_EQ(limits().memory, 7U) << line;
  }
  for (const char* const line : {"", "-", "1 2 3 4 5 -", "1 2 3 4 5 6 - cgroup2"}) {
    write("proc/self/mountinfo", line);
    EXPECT_EQ(limits().version, "") << line;
  }
}

TEST_F(Machine, MemoryIsTheHostsOrTheGroups) {
  write("proc/meminfo", "MemTotal: 8000000 kB\nMemAvailable: 5000000 kB\nSwapTotal: 1000000 kB");
  const HostMemory host = host_memory(root_.path());
  EXPECT_EQ(host.total, 8192000000ULL);
  UsableMemory usable = usable_memory(host, {});
  EXPECT_FALSE(usable.of_group);
  EXPECT_EQ(usable.bytes, host.total);
  EXPECT_EQ(usable.with_swap, host.total + host.swap);
  EXPECT_EQ(usable.free, host.available);

  GroupLimits limits;
  limits.memory = 1000000000U;
  limits.free = 400000000U;
  limits.swap = 0U;
  usable = usable_memory(host, limits);
  EXPECT_TRUE(usable.of_group);
  EXPECT_EQ(usable.bytes, 1000000000U);
  EXPECT_EQ(usable.with_swap, 1000000000U);
  EXPECT_EQ(usable.free, 400000000U);

  limits.memory = 99000000000U;  // more than there is
  EXPECT_FALSE(usable_memory(host, limits).of_group);
  EXPECT_EQ(usable_memory({}, {}).bytes, 0U) << "not known";
}

TEST(MachineItself, HasMemory) {
  const UsableMemory usable = usable_memory();
  EXPECT_GT(usable.bytes, 0U);
  EXPECT_GE(usable.with_swap, usable.bytes);
  EXPECT_LE(usable.free, usable.with_swap);
}

}  // namespace
}  // namespace salf::core
