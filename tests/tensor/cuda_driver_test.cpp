#include "tensor/cuda_driver.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>

#include "support/temporary_folder.h"

namespace salf::tensor {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

class Driver : public ::testing::Test {
 protected:
  void write(const std::string& file, const std::string& text) {
    std::filesystem::create_directories((root_.path() / file).parent_path());
    std::ofstream(root_.path() / file) << text << "\n";
  }
  void device(const std::string& name, const std::string& vendor, const std::string& kind) {
    write("sys/bus/pci/devices/" + name + "/vendor", vendor);
    write("sys/bus/pci/devices/" + name + "/class", kind);
  }
  void loaded(const std::string& version) {
    write("proc/driver/nvidia/version",
        "NVRM version: NVIDIA UNIX x86_64 Kernel Module  " + version +
            "  Sun Jul 27 07:12:05 UTC 2025\nGCC version:  gcc version 12.2.0");
    write("dev/nvidiactl", "");
  }
  DriverFacts facts() const { return driver_facts(root_.path()); }

  testing::TemporaryFolder root_;
};

TEST_F(Driver, IsMissingWithTheGpu) {
  device("0000:00:02.0", "0x8086", "0x030000");
  EXPECT_EQ(facts().gpus, 0);
  EXPECT_EQ(facts().version, "");
  EXPECT_EQ(driver_problem(facts(), 13), "this machine shows no NVIDIA GPU and no driver");
}

TEST_F(Driver, IsNotLoaded) {
  device("0000:01:00.0", "0x10de", "0x030200");
  device("0000:01:00.1", "0x10de", "0x040300");  // its sound
  EXPECT_EQ(facts().gpus, 1);
  EXPECT_THAT(driver_problem(facts(), 13), AllOf(HasSubstr("not loaded"), HasSubstr("580")));
}

TEST_F(Driver, IsTooOldForCuda13AndGoodForCuda12) {
  loaded("535.183.01");
  EXPECT_EQ(facts().version, "535.183.01");
  EXPECT_THAT(driver_problem(facts(), 13),
      AllOf(HasSubstr("too old"), HasSubstr("580 or later"), HasSubstr("535.183.01")));
  EXPECT_EQ(driver_problem(facts(), 12), "");
  EXPECT_EQ(driver_problem(facts(), 0), "") << "LibTorch without CUDA";
}

TEST_F(Driver, IsReadFromTheOpenModuleToo) {
  loaded("580.65.06");
  EXPECT_EQ(driver_problem(facts(), 13), "");
  write("proc/driver/nvidia/version",
      "NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  575.57.08  Release Build");
  EXPECT_EQ(facts().version, "575.57.08");
  for (const char* const text : {"", "NVRM", "NVRM version: none", ". 580", "580 .1"}) {
    write("proc/driver/nvidia/version", text);
    EXPECT_EQ(facts().version, "") << text;
  }
}

TEST_F(Driver, WithoutDeviceFilesIsAContainersFault) {
  loaded("580.65.06");
  std::filesystem::remove(root_ / "dev/nvidiactl");
  EXPECT_THAT(driver_problem(facts(), 13), HasSubstr("--gpus all"));
}

TEST_F(Driver, IsWindowsOwnInItsSubsystem) {
  write("dev/dxg", "");
  EXPECT_TRUE(facts().wsl);
  EXPECT_EQ(driver_problem(facts(), 13), "");
}

TEST(Cuda, VersionIsThatOfTheRuntimeLibraryThatIsLoaded) {
  const int version = torch_cuda_version();
  EXPECT_TRUE(version == 0 || (version >= 11 && version < 20)) << version;
  EXPECT_FALSE(why_no_cuda().empty());
}

}  // namespace
}  // namespace salf::tensor
