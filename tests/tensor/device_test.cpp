#include "tensor/device.h"

#include <ATen/Context.h>
#include <ATen/ops/mm.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/zeros.h>
#include <c10/util/Exception.h>
#include <gtest/gtest.h>
#include <stdlib.h>

#include <stdexcept>

#include "support/expect_error.h"
#include "tensor/shapes.h"

namespace salf::tensor {
namespace {

using testing::expect_error;

TEST(Device, OnlyKnownTextsAreDevices) {
  EXPECT_TRUE(open_device("cpu").is_cpu());
  for (const char* const text :
      {"", "gpu", "cpu:0", "cuda:", "cuda:x", "cuda:-1", "cuda:1x", "cuda:1000", "CUDA", " cpu"}) {
    expect_error(ErrorKind::kUsage, "expected cpu, cuda or cuda:N", [&] { open_device(text); });
  }
}

TEST(Device, CudaIsOpenedOrTheReasonGiven) {
  try {
    const c10::Device device = open_device("cuda");
    EXPECT_EQ(device, c10::Device(c10::kCUDA, 0));
    synchronize(device);
    expect_error(ErrorKind::kIo, "no such GPU", [] { open_device("cuda:99"); });
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::kIo);
    EXPECT_NE(std::string(error.what()).find("--device cpu"), std::string::npos) << error.what();
  }
}

TEST(Threads, AreSet) {
  set_threads(2);
  EXPECT_EQ(threads(), 2);
  ::setenv("OMP_NUM_THREADS", "2", 1);
  set_threads(0);
  EXPECT_EQ(threads(), 2) << "OMP_NUM_THREADS is the user's word";
  ::unsetenv("OMP_NUM_THREADS");
  set_threads(0);
  EXPECT_GE(threads(), 1);
  expect_error(ErrorKind::kUsage, "got -1", [] { set_threads(-1); });
  expect_error(ErrorKind::kUsage, "got 4097", [] { set_threads(4097); });
  set_threads(1);
}

TEST(Threads, AreAShareOfTheCoresWhereALauncherSetOne) {
  ::unsetenv("OMP_NUM_THREADS");
  set_threads(0);
  const std::int64_t cores = threads();
  ::setenv("OMP_NUM_THREADS", "1", 1);
  set_threads(0, cores);
  EXPECT_EQ(threads(), 1);
  set_threads(0, 2 * cores);
  EXPECT_EQ(threads(), 1) << "at least one";
  if (cores >= 4) {
    set_threads(0, 2);
    EXPECT_EQ(threads(), cores / 2);
  }
  ::setenv("OMP_NUM_THREADS", "3", 1);
  set_threads(4);
  set_threads(0, 2);
  EXPECT_EQ(threads(), 4) << "another number than 1 is the user's word";
  ::unsetenv("OMP_NUM_THREADS");
  set_threads(1);
}

TEST(Bf16Units, AreTheProcessorsOwn) {
  const bool vectors = __builtin_cpu_supports("avx512bf16") != 0;
  EXPECT_EQ(bf16_units().empty(), !vectors) << bf16_units();
}

TEST(ErrorText, HasNoBacktrace) {
  try {
    at::mm(at::ones({2, 3}), at::ones({2, 3}));
    FAIL();
  } catch (const std::exception& error) {
    EXPECT_NE(error_text(error).find("cannot be multiplied"), std::string::npos)
        << error_text(error);
    EXPECT_EQ(error_text(error).find("frame #"), std::string::npos);
  }
  EXPECT_EQ(error_text(std::runtime_error("plain")), "plain");
}

TEST(Shapes, AreCheckedAndShown) {
  const at::Tensor tensor = at::zeros({2, 3});
  EXPECT_NO_THROW(check_shape(tensor, {2, 3}, "hidden"));
  EXPECT_NO_THROW(check_shape(tensor, {kAny, 3}, "hidden"));
  EXPECT_NO_THROW(check_shape(at::zeros({}), {}, "scalar"));
  expect_error(ErrorKind::kBadModel, "hidden: expected [2, 4], got [2, 3]", [&] {
    check_shape(tensor, {2, 4}, "hidden");
  });
  expect_error(ErrorKind::kBadModel, "expected [any], got [2, 3]",
      [&] { check_shape(tensor, {kAny}, "hidden"); });
  expect_error(
      ErrorKind::kBadModel, "got an undefined tensor", [&] { check_shape({}, {1}, "hidden"); });
  EXPECT_EQ(shape_text(tensor), "[2, 3] float32");
  EXPECT_EQ(shape_text(at::zeros({}, c10::kBFloat16)), "[] bfloat16");
  EXPECT_EQ(shape_text({}), "undefined");
}

}  // namespace
}  // namespace salf::tensor
