#include "app/doctor/doctor.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>

#include <fstream>

#include "core/json.h"
#include "support/temporary_folder.h"

namespace salf::app {
namespace {

using ::testing::AllOf;
using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

// The files of a machine that a test makes up.
class Doctor : public ::testing::Test {
 protected:
  void TearDown() override {
    ::setenv("HOME", home_.c_str(), 1);
    ::unsetenv("TMPDIR");
  }
  void write(const std::string& file, const std::string& text) {
    std::filesystem::create_directories((root_.path() / file).parent_path());
    std::ofstream(root_.path() / file) << text << "\n";
  }
  MachineReport examine() const { return examine_machine(root_.path()); }

  testing::TemporaryFolder root_;
  std::string home_ = ::getenv("HOME") == nullptr ? "/" : ::getenv("HOME");
};

TEST_F(Doctor, FindsSomethingOnThisMachine) {
  const MachineReport report = examine_machine();
  EXPECT_FALSE(report.version.empty());
  EXPECT_FALSE(report.processor.name.empty());
  EXPECT_GE(report.processor.threads, 1);
  EXPECT_THAT(report.processor.dtype, ::testing::AnyOf("f32", "bf16"));
  EXPECT_GT(report.memory.usable, 0);
  EXPECT_EQ(report.torch.version, report.torch.built_with);
  EXPECT_TRUE(std::filesystem::exists(report.torch.path + "/libtorch_cpu.so"));
  EXPECT_EQ(report.folders.size(), 3U);
  EXPECT_EQ(report.cuda.devices > 0, report.cuda.reason.empty() && report.cuda.library == "loaded");
}

TEST_F(Doctor, IsUsefulWhereNothingCanBeRead) {
  ::unsetenv("HOME");
  ::unsetenv("XDG_CACHE_HOME");
  ::setenv("TMPDIR", "/proc", 1);
  const MachineReport report = examine();
  EXPECT_EQ(report.memory.usable, 0);
  EXPECT_EQ(report.memory.groups, "");
  EXPECT_EQ(report.cuda.bus_gpus, 0);
  EXPECT_THAT(report.problems, Contains(HasSubstr("neither XDG_CACHE_HOME nor HOME")));
  EXPECT_THAT(report.problems, Contains(AllOf(HasSubstr("temporary"), HasSubstr("/proc"))));
}

TEST_F(Doctor, TellsAnOldDriverFromNoGpu) {
  const auto about_gpu = Contains(HasSubstr("GPU cannot be used"));
  if (examine().cuda.devices > 0) GTEST_SKIP() << "this machine has a GPU that works";
  EXPECT_THAT(examine().problems, Not(about_gpu)) << "a machine without a GPU lacks nothing";
  write("sys/bus/pci/devices/0000:01:00.0/vendor", "0x10de");
  write("sys/bus/pci/devices/0000:01:00.0/class", "0x030200");
  MachineReport report = examine();
  EXPECT_EQ(report.cuda.bus_gpus, 1);
  EXPECT_THAT(report.problems, Contains(HasSubstr("driver is not loaded")));
  write("proc/driver/nvidia/version", "NVRM version: NVIDIA UNIX x86_64 Kernel Module  470.1.2  x");
  write("dev/nvidiactl", "");
  report = examine();
  EXPECT_EQ(report.cuda.driver, "470.1.2");
  if (report.torch.cuda.empty()) GTEST_SKIP() << "this LibTorch is without CUDA";
  EXPECT_THAT(report.problems, Contains(AllOf(HasSubstr("too old"), HasSubstr("470.1.2"))));
}

TEST_F(Doctor, ShowsWhatTheControlGroupAllows) {
  write("proc/meminfo", "MemTotal: 8000000 kB\nMemAvailable: 5000000 kB\nSwapTotal: 0 kB");
  write("proc/self/mountinfo", "30 23 0:26 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw");
  write("proc/self/cgroup", "0::/job");
  write("sys/fs/cgroup/job/memory.max", "3000000000");
  write("sys/fs/cgroup/job/cpu.max", "50000 100000");
  write("etc/os-release", "NAME=\"Other\"\nPRETTY_NAME=\"Made-up Linux 1\"");
  const MachineReport report = examine();
  EXPECT_EQ(report.memory.group_limit, 3000000000);
  EXPECT_EQ(report.memory.usable, 3000000000);
  EXPECT_THAT(report.memory.group, HasSubstr("/job"));
  EXPECT_EQ(report.processor.group_processors, "0.5");
  EXPECT_THAT(report.system, HasSubstr("Made-up Linux 1, Linux"));
}

TEST_F(Doctor, LeavesNothingBehind) {
  const std::filesystem::path folder = root_ / "tmp";
  std::filesystem::create_directories(folder);
  ::setenv("TMPDIR", folder.c_str(), 1);
  const MachineReport report = examine();
  EXPECT_TRUE(report.folders[1].writable);
  EXPECT_GT(report.folders[1].free, 0);
  EXPECT_TRUE(std::filesystem::is_empty(folder));
}

TEST_F(Doctor, ReportIsJsonThatComesBack) {
  const core::Json json = core::to_json(examine());
  MachineReport read;
  core::from_json(json, "report", read);
  EXPECT_EQ(core::to_json(read), json);
}

}  // namespace
}  // namespace salf::app
