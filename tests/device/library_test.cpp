// libsalf_cuda.so as the program finds it. This needs no GPU.
#include <dlfcn.h>
#include <gtest/gtest.h>

#include <string>

#include "ops/device_kernels.h"

namespace salf::ops {
namespace {

// By nvcc, where there is one, and by the C++ compiler.
class Library : public ::testing::TestWithParam<const char*> {};

TEST_P(Library, ExportsItsTableOfThisVersion) {
  if (std::string(GetParam()).empty()) GTEST_SKIP() << "built without nvcc";
  void* const library = ::dlopen(GetParam(), RTLD_NOW | RTLD_LOCAL);
  ASSERT_NE(library, nullptr) << ::dlerror();
  void* const symbol = ::dlsym(library, "salf_device_kernels");
  ASSERT_NE(symbol, nullptr) << ::dlerror();
  auto* const table = reinterpret_cast<SalfDeviceKernels*>(symbol);
  EXPECT_NE(table(kDeviceKernelsVersion), nullptr);
  EXPECT_EQ(table(kDeviceKernelsVersion + 1), nullptr);
}

INSTANTIATE_TEST_SUITE_P(By, Library,
    ::testing::Values(SALF_CUDA_LIBRARY, SALF_FAKE_DEVICE_FOLDER "/libsalf_cuda.so"),
    [](const auto& tested) { return tested.index == 0 ? "nvcc" : "cxx"; });

}  // namespace
}  // namespace salf::ops
