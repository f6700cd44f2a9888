#include "tensor/pool.h"

#include <ATen/ops/empty.h>
#include <ATen/ops/full.h>
#include <ATen/ops/zeros.h>
#include <gtest/gtest.h>

#include <fstream>
#include <string>
#include <vector>

#include "tensor/allocation_watch.h"

namespace salf::tensor {
namespace {

constexpr std::int64_t kMegabyte = std::int64_t{1} << 20;

at::Tensor of_bytes(std::int64_t bytes) { return at::zeros({bytes}, at::kByte); }

// Anonymous bytes of the process.
std::int64_t held() {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);) {
    if (line.rfind("RssAnon:", 0) == 0) return 1024 * std::stoll(line.substr(8));
  }
  return 0;
}

class PoolTest : public ::testing::Test {
 protected:
  void SetUp() override {
    use_pool();
    use_pool();
    trim_memory();
  }
};

TEST_F(PoolTest, TensorsOfAllSizesKeepTheirValues) {
  std::vector<at::Tensor> tensors;
  for (std::int64_t round = 0; round < 3; ++round) {
    for (std::int64_t i = 0; i < 40; ++i) {
      const std::int64_t size = 1 + (i * i * 7919 + round * 104'729) % (9 * kMegabyte);
      tensors.push_back(at::full({size}, (i + round) % 251, at::kByte));
    }
    for (std::int64_t i = 0; i < 40; ++i) {
      const at::Tensor& tensor = tensors[static_cast<std::size_t>(i)];
      EXPECT_TRUE(tensor.eq((i + round) % 251).all().item<bool>()) << tensor.numel();
    }
    tensors.clear();
  }
}

TEST_F(PoolTest, ATensorTakesThePlaceOfOneOfItsSize) {
  const void* first = nullptr;
  {
    const at::Tensor gone = of_bytes(10 * kMegabyte);
    first = gone.const_data_ptr();
  }
  const at::Tensor next = of_bytes(9 * kMegabyte);
  const auto* const a = static_cast<const char*>(first);
  const auto* const b = static_cast<const char*>(next.const_data_ptr());
  EXPECT_LT(std::abs(a - b), 4096);
  EXPECT_NE(a, b);  // another place of the page
  EXPECT_EQ(reinterpret_cast<std::uintptr_t>(b) % 64, 0U);
}

TEST_F(PoolTest, HoldsLittleMoreThanWasInUse) {
  const std::int64_t before = held();
  for (std::int64_t round = 0; round < 20; ++round) {
    std::vector<at::Tensor> used;
    // Sizes that do not fit each other, 60 MB of them.
    for (std::int64_t left = 60 * kMegabyte; left > 0;) {
      const std::int64_t size = std::min(left, (4 + round % 5 * 7) * kMegabyte);
      used.push_back(of_bytes(size));
      left -= size;
    }
    EXPECT_LT(held() - before, 70 * kMegabyte) << round;
  }
  trim_memory();
  EXPECT_LT(held() - before, 5 * kMegabyte);
}

TEST_F(PoolTest, IsSeenByAWatch) {
  const AllocationWatch watch;
  const at::Tensor kept = of_bytes(5 * kMegabyte);
  { const at::Tensor gone = of_bytes(20 * kMegabyte); }
  EXPECT_EQ(watch.bytes(), 5 * kMegabyte);
  EXPECT_EQ(watch.peak(), 25 * kMegabyte);
}

TEST_F(PoolTest, MoreThanThereIsIsLibTorchsError) {
  EXPECT_THROW(at::empty({std::int64_t{1} << 60}, at::kByte), std::exception);
  EXPECT_EQ(of_bytes(kMegabyte).sum().item<std::int64_t>(), 0);
}

}  // namespace
}  // namespace salf::tensor
