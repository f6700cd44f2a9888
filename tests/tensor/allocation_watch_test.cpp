#include "tensor/allocation_watch.h"

#include <ATen/ops/empty.h>
#include <gtest/gtest.h>

namespace salf::tensor {
namespace {

TEST(AllocationWatch, CountsWhatIsHeldAndTheMostOfIt) {
  const at::Tensor before = at::empty({1 << 20});
  const AllocationWatch watch;
  const at::Tensor kept = at::empty({1000}, at::kFloat);
  EXPECT_GE(watch.bytes(), 4000);
  { const at::Tensor gone = at::empty({100'000}, at::kFloat); }
  EXPECT_LT(watch.bytes(), 5000);
  EXPECT_GE(watch.peak(), 404'000);
  EXPECT_LT(watch.peak(), 410'000);
}

TEST(AllocationWatch, EndsWithItsScope) {
  { const AllocationWatch first; }
  const AllocationWatch second;
  EXPECT_EQ(second.bytes(), 0);
  EXPECT_FALSE([] {
    const AllocationWatch inner;
    return inner.peak() > 0;
  }());
}

}  // namespace
}  // namespace salf::tensor
