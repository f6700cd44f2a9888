#include "cost/meter.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "own_folder.h"

namespace salf::cost {
namespace {

namespace fs = std::filesystem;

// A powercap folder as Linux has it.
class Rapl : public ::testing::Test {
 protected:
  void domain(const std::string& folder, const std::string& name, std::uint64_t microjoules,
      std::uint64_t range = 262143328850) {
    fs::create_directories(root_.path() / folder);
    write(folder + "/name", name);
    write(folder + "/max_energy_range_uj", std::to_string(range));
    set(folder, microjoules);
  }
  void set(const std::string& folder, std::uint64_t microjoules) {
    write(folder + "/energy_uj", std::to_string(microjoules));
  }
  void write(const std::string& file, const std::string& text) {
    std::ofstream(root_.path() / file) << text << "\n";
  }

  OwnFolder root_;
};

TEST_F(Rapl, CountsPackagesAndTheirMemoryOnce) {
  domain("intel-rapl:0", "package-0", 1'000'000);
  domain("intel-rapl:0:0", "core", 500'000);
  domain("intel-rapl:0:1", "dram", 100'000);
  domain("intel-rapl:1", "package-1", 7'000'000);
  domain("intel-rapl:2", "psys", 9'000'000);
  domain("intel-rapl-mmio:0", "package-0", 1'000'000);
  const auto meter = open_rapl(root_.path().string());
  ASSERT_NE(meter, nullptr);
  EXPECT_DOUBLE_EQ(meter->joules(), 0.0);
  set("intel-rapl:0", 3'000'000);
  set("intel-rapl:0:0", 900'000);
  set("intel-rapl:0:1", 600'000);
  set("intel-rapl:1", 8'000'000);
  set("intel-rapl:2", 99'000'000);
  set("intel-rapl-mmio:0", 3'000'000);
  EXPECT_NEAR(meter->joules(), 2.0 + 0.5 + 1.0, 1e-9);
  EXPECT_THAT(meter->basis(), ::testing::HasSubstr("memory (RAPL)"));
  EXPECT_TRUE(meter->intact());
}

TEST_F(Rapl, FollowsACounterThatStartsAgain) {
  domain("intel-rapl:0", "package-0", 990'000'000, 1'000'000'000);
  const auto meter = open_rapl(root_.path().string());
  ASSERT_NE(meter, nullptr);
  set("intel-rapl:0", 20'000'000);
  EXPECT_NEAR(meter->joules(), 30.0, 1e-9);
  set("intel-rapl:0", 950'000'000);
  EXPECT_NEAR(meter->joules(), 960.0, 1e-9);
  set("intel-rapl:0", 0);
  EXPECT_NEAR(meter->joules(), 1010.0, 1e-9);
}

TEST_F(Rapl, IsNotThereWhereAPackageCannotBeRead) {
  EXPECT_EQ(open_rapl((root_.path() / "missing").string()), nullptr);
  EXPECT_EQ(open_rapl(root_.path().string()), nullptr);
  domain("intel-rapl:0", "package-0", 1);
  domain("intel-rapl:1", "package-1", 1);
  fs::remove(root_.path() / "intel-rapl:1/energy_uj");
  EXPECT_EQ(open_rapl(root_.path().string()), nullptr);
  write("intel-rapl:1/energy_uj", "many");
  EXPECT_EQ(open_rapl(root_.path().string()), nullptr);
}

TEST_F(Rapl, SaysWhenItsCounterIsGone) {
  domain("intel-rapl:0", "package-0", 1'000'000);
  const auto meter = open_rapl(root_.path().string());
  ASSERT_NE(meter, nullptr);
  set("intel-rapl:0", 2'000'000);
  EXPECT_NEAR(meter->joules(), 1.0, 1e-9);
  fs::remove(root_.path() / "intel-rapl:0/energy_uj");
  EXPECT_NEAR(meter->joules(), 1.0, 1e-9);
  EXPECT_FALSE(meter->intact());
}

constexpr const char* kNoDriver = "libnothing-of-that-name.so";

class Nvml : public ::testing::Test {
 protected:
  void SetUp() override {
    ::unsetenv("CUDA_VISIBLE_DEVICES");
    set(1'000'000);
  }
  void TearDown() override {
    ::unsetenv("CUDA_VISIBLE_DEVICES");
    ::unsetenv("SALF_FAKE_MILLIJOULES");
    ::unsetenv("SALF_FAKE_NVML_ERROR");
  }
  static void set(std::uint64_t millijoules) {
    ::setenv("SALF_FAKE_MILLIJOULES", std::to_string(millijoules).c_str(), 1);
  }
};

TEST_F(Nvml, ReadsTheWholeDevice) {
  const auto meter = open_nvml(0, SALF_FAKE_NVML, kNoDriver);
  ASSERT_NE(meter, nullptr);
  set(1'250'000);
  EXPECT_NEAR(meter->joules(), 250.0, 1e-9);
  EXPECT_THAT(meter->basis(), ::testing::HasSubstr("whole GPU"));
  EXPECT_EQ(gpu_name(0, SALF_FAKE_NVML, kNoDriver), "NVIDIA H100 80GB HBM3");
  EXPECT_TRUE(meter->intact());
  set(10);  // the driver was loaded again
  EXPECT_NEAR(meter->joules(), 250.0, 1e-9);
  EXPECT_FALSE(meter->intact());
}

TEST_F(Nvml, FindsTheDeviceByTheUuidThatCudaTells) {
  EXPECT_EQ(gpu_name(0, SALF_FAKE_NVML, SALF_FAKE_NVML), "NVIDIA Old");
  EXPECT_EQ(gpu_name(1, SALF_FAKE_NVML, SALF_FAKE_NVML), "NVIDIA H100 80GB HBM3");
  EXPECT_NE(open_nvml(1, SALF_FAKE_NVML, SALF_FAKE_NVML), nullptr);
}

TEST_F(Nvml, CountsDevicesAsCudaDoes) {
  EXPECT_EQ(open_nvml(1, SALF_FAKE_NVML, kNoDriver), nullptr);  // it has no counter
  ::setenv("CUDA_VISIBLE_DEVICES", "1,0", 1);
  EXPECT_NE(open_nvml(1, SALF_FAKE_NVML, kNoDriver), nullptr);
  EXPECT_EQ(gpu_name(0, SALF_FAKE_NVML, kNoDriver), "NVIDIA Old");
  ::setenv("CUDA_VISIBLE_DEVICES", "GPU-zero", 1);
  EXPECT_NE(open_nvml(0, SALF_FAKE_NVML, kNoDriver), nullptr);
  EXPECT_EQ(open_nvml(1, SALF_FAKE_NVML, kNoDriver), nullptr);
  ::setenv("CUDA_VISIBLE_DEVICES", "", 1);
  EXPECT_EQ(open_nvml(0, SALF_FAKE_NVML, kNoDriver), nullptr);
}

TEST_F(Nvml, IsNotThereWithoutTheLibraryOrTheDevice) {
  EXPECT_EQ(open_nvml(0, "libnothing-of-that-name.so", kNoDriver), nullptr);
  EXPECT_EQ(gpu_name(0, "libnothing-of-that-name.so", kNoDriver), "");
  EXPECT_EQ(open_nvml(7, SALF_FAKE_NVML, kNoDriver), nullptr);
}

TEST_F(Nvml, ListsEveryGpuWithWhatItTells) {
  ::setenv("CUDA_VISIBLE_DEVICES", "1", 1);  // hides none of them
  const GpuList list = list_gpus(SALF_FAKE_NVML);
  EXPECT_EQ(list.driver, "535.183.01");
  EXPECT_EQ(list.problem, "");
  ASSERT_EQ(list.gpus.size(), 2U);
  EXPECT_EQ(list.gpus[0].name, "NVIDIA H100 80GB HBM3");
  EXPECT_EQ(list.gpus[0].uuid, "GPU-zero");
  EXPECT_EQ(list.gpus[0].compute, "9.0");
  EXPECT_EQ(list.gpus[0].memory_bytes, 85899345920);
  EXPECT_EQ(list.gpus[0].free_bytes, 80000000000);
  EXPECT_EQ(list.gpus[1].name, "NVIDIA Old");
  EXPECT_EQ(list.gpus[1].compute, "");
  EXPECT_EQ(list.gpus[1].memory_bytes, 0);
}

TEST_F(Nvml, SaysWhyItListsNone) {
  EXPECT_THAT(list_gpus("libnothing-of-that-name.so").problem, ::testing::HasSubstr("not load"));
  ::setenv("SALF_FAKE_NVML_ERROR", "18", 1);
  const GpuList list = list_gpus(SALF_FAKE_NVML);
  EXPECT_EQ(list.problem, "Driver/library version mismatch");
  EXPECT_EQ(list.driver, "");
  EXPECT_TRUE(list.gpus.empty());
}

}  // namespace
}  // namespace salf::cost
