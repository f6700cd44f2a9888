// The operators of a GPU against ATen's own, values and gradients: their kernels and launches on
// the CPU everywhere (support/cuda_on_cpu.h), and libsalf_cuda.so itself where there is a GPU.
#include "ops/device_operators.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>
#include <torch/csrc/autograd/autograd.h>

#include <cmath>
#include <optional>
#include <string>

#include "core/error.h"
#include "operator_comparison.h"
#include "ops/operators.h"
#include "tensor/device.h"

extern "C" const salf::ops::DeviceKernels* salf_device_kernels(std::int32_t version);

namespace salf::ops {
namespace {

std::optional<c10::Device> gpu() {
  try {
    return tensor::open_device("cuda");
  } catch (const Error&) {
    return std::nullopt;
  }
}

class DeviceOperators : public ::testing::TestWithParam<const char*> {
 protected:
  void SetUp() override {
    at::manual_seed(7);
    if (std::string(GetParam()) == "cpu") {
      kernels_ = salf_device_kernels(kDeviceKernelsVersion);
      return;
    }
    const auto device = gpu();
    if (!device) GTEST_SKIP() << "no GPU";
    device_ = *device;
    kernels_ = device_kernels({at::zeros({1}, device_)});
    if (kernels_ == nullptr) GTEST_SKIP() << "libsalf_cuda.so is not built";
  }

  at::Tensor values(at::IntArrayRef shape) const { return at::randn(shape).to(device_); }

  c10::Device device_{c10::kCPU};
  const DeviceKernels* kernels_ = nullptr;
};

constexpr double kBFloat16Tolerance = 4e-3;  // half a unit of its last place, 2^-8

TEST_P(DeviceOperators, RmsNormEqualsAten) {
  const Operator ours = [&](const Inputs& x) { return rms_norm_by(*kernels_, x[0], x[1], 1e-5); };
  for (const std::int64_t width : {1, 15, 64, 67, 1028, 2048}) {
    compare(ours, plain_rms_norm, {values({3, 5, width}), values({width})}, 2);
  }
  // More rows than sums, rows that lie apart, and a table that is not aligned for packs.
  compare(ours, plain_rms_norm, {values({601, 40}).narrow(1, 0, 36), values({36})}, 2);
  compare(ours, plain_rms_norm,
      {values({4, 33, 64}).transpose(0, 1), values({67}).narrow(0, 3, 64)}, 2);
}

TEST_P(DeviceOperators, RmsNormRoundsItsResultOnce) {
  const Operator ours = [&](const Inputs& x) { return rms_norm_by(*kernels_, x[0], x[1], 1e-5); };
  const at::Tensor narrow = values({7, 96}).to(at::kBFloat16);
  compare(ours, plain_rms_norm, {narrow, values({96})}, 2, kBFloat16Tolerance);
  const at::Tensor x = values({5, 32}).to(at::kBFloat16);
  const at::Tensor weight = values({32});
  const at::Tensor wide = rms_norm_by(*kernels_, x.to(at::kFloat), weight, 1e-5);
  EXPECT_TRUE(rms_norm_by(*kernels_, x, weight, 1e-5).equal(wide.to(at::kBFloat16)));
}

TEST_P(DeviceOperators, RmsNormGivesNoGradientToAFrozenWeight) {
  const at::Tensor x = values({8, 32}).requires_grad_(true);
  const at::Tensor weight = values({32});
  rms_norm_by(*kernels_, x, weight, 1e-5).sum().backward();
  EXPECT_TRUE(x.grad().defined());
  EXPECT_FALSE(weight.grad().defined());
}

TEST_P(DeviceOperators, SwiGluEqualsAten) {
  const Operator ours = [&](const Inputs& x) { return swiglu_by(*kernels_, x[0], x[1]); };
  for (const std::int64_t width : {1, 17, 1536}) {
    compare(ours, plain_swiglu, {values({2, 9, width}) * 4.0, values({2, 9, width})}, 2);
  }
  const at::Tensor both = values({2, 7, 2 * 48});
  compare(ours, plain_swiglu, {both.narrow(-1, 0, 48), both.narrow(-1, 48, 48)}, 2);
  const at::Tensor narrow = both.to(at::kBFloat16);
  compare(ours, plain_swiglu, {narrow.narrow(-1, 0, 48), narrow.narrow(-1, 48, 48)}, 2,
      kBFloat16Tolerance);
}

TEST_P(DeviceOperators, SwiGluOfFarGatesIsExact) {
  const at::Tensor gate =
      at::tensor({-1e4F, -100.0F, -88.0F, 0.0F, 88.0F, 100.0F, 1e4F}).to(device_);
  EXPECT_LT(
      distance(swiglu_by(*kernels_, gate, at::ones_like(gate)), at::silu(gate.to(at::kDouble))),
      1e-6);
}

TEST_P(DeviceOperators, RotaryEqualsAten) {
  const Operator ours = [&](const Inputs& x) {
    return rotary_by(*kernels_, x[0], x[1].to(at::kFloat), x[2].to(at::kFloat));
  };
  compare(
      ours, plain_rotary, {values({2, 11, 3, 32}), values({11, 1, 32}), values({11, 1, 32})}, 1);
  // As transformers lays it out: heads before tokens.
  const at::Tensor heads = values({2, 11, 3, 128}).transpose(1, 2);
  const at::Tensor cos = values({2, 1, 11, 128}), sin = values({2, 1, 11, 128});
  compare(ours, plain_rotary, {heads, cos, sin}, 1);
  compare(ours, plain_rotary,
      {heads.to(at::kBFloat16), cos.to(at::kBFloat16), sin.to(at::kBFloat16)}, 1,
      kBFloat16Tolerance);
  compare(ours, plain_rotary, {values({1, 5, 2, 2}), values({5, 1, 2}), values({5, 1, 2})}, 1);
}

TEST_P(DeviceOperators, CrossEntropyEqualsAten) {
  for (const std::int64_t classes : {2, 31, 4096}) {
    at::Tensor logits = values({13, classes}) * 5.0;
    const at::Tensor labels = at::randint(classes, {13}, at::kLong).to(device_);
    const at::Tensor wide = logits.to(at::kDouble).requires_grad_(true);
    const at::Tensor expected = at::cross_entropy_loss(wide, labels, {}, at::Reduction::Sum);
    const at::Tensor slope = torch::autograd::grad({expected * 0.25}, {wide})[0];
    const at::Tensor loss = cross_entropy_by_(*kernels_, logits, logits, labels, 0.25);
    EXPECT_NEAR(
        loss.item<double>(), expected.item<double>(), 1e-5 * std::abs(expected.item<double>()));
    EXPECT_LT(distance(logits, slope), 1e-6);
  }
}

TEST_P(DeviceOperators, CrossEntropyOfLargeAndImpossibleLogits) {
  at::Tensor logits = at::tensor({3e4F, -3e4F, 0.0F, 3e4F}).reshape({1, 4}).to(device_);
  const at::Tensor first = at::zeros({1}, at::kLong).to(device_);
  EXPECT_NEAR(
      cross_entropy_by_(*kernels_, logits, logits, first, 1.0).item<double>(), std::log(2.0), 1e-6);
  EXPECT_NEAR(logits[0][3].item<float>(), 0.5F, 1e-6F);
  at::Tensor masked = at::full({1, 70}, -INFINITY).to(device_);
  masked[0][0] = 1.0F;
  EXPECT_NEAR(cross_entropy_by_(*kernels_, masked, masked, first, 1.0).item<double>(), 0.0, 1e-6);
  EXPECT_EQ(masked.abs().max().item<float>(), 0.0F);
}

TEST_P(DeviceOperators, NotANumberIsNotHidden) {
  at::Tensor logits = at::full({1, 40}, 1.0F).to(device_);
  logits[0][21] = std::nanf("");
  const at::Tensor label = at::full({1}, 3, at::kLong).to(device_);
  EXPECT_TRUE(std::isnan(cross_entropy_by_(*kernels_, logits, logits, label, 1.0).item<double>()));
  const at::Tensor state = at::full({1, 40}, std::nanf("")).to(device_);
  const at::Tensor ones = at::ones({40}).to(device_);
  for (const auto type : {at::kFloat, at::kBFloat16}) {
    EXPECT_TRUE(rms_norm_by(*kernels_, state.to(type), ones, 1e-5).isnan().all().item<bool>());
    EXPECT_TRUE(swiglu_by(*kernels_, state.to(type), state.to(type)).isnan().all().item<bool>());
  }
}

TEST_P(DeviceOperators, OfNothingIsNothing) {
  const at::Tensor none = values({0, 8});
  EXPECT_EQ(rms_norm_by(*kernels_, none, values({8}), 1e-5).numel(), 0);
  EXPECT_EQ(swiglu_by(*kernels_, none, none).numel(), 0);
  at::Tensor logits = none.clone();
  EXPECT_EQ(cross_entropy_by_(*kernels_, logits, logits, at::empty({0}, at::kLong).to(device_), 1.0)
                .item<double>(),
      0.0);
}

INSTANTIATE_TEST_SUITE_P(On, DeviceOperators, ::testing::Values("cpu", "gpu"),
    [](const auto& tested) { return std::string(tested.param); });

TEST(DeviceKernels, AreNotUsedByAnotherVersion) {
  EXPECT_EQ(salf_device_kernels(kDeviceKernelsVersion + 1), nullptr);
}

TEST(DeviceKernels, DoNotServeTheCpu) { EXPECT_EQ(device_kernels({at::zeros({1})}), nullptr); }

using OperatorsOfAGpu = DeviceOperators;

TEST_P(OperatorsOfAGpu, RunByTheKernels) {
  const at::Tensor x = values({4, 9, 64});
  const at::Tensor weight = values({64});
  EXPECT_LT(distance(rms_norm(x, weight, 1e-5), plain_rms_norm({x, weight})), 1e-5);
  EXPECT_LT(distance(swiglu(x, x * 2.0), plain_swiglu({x, x * 2.0})), 1e-5);
  EXPECT_EQ(rms_norm(x.to(at::kBFloat16), weight, 1e-5).scalar_type(), at::kBFloat16);
}

INSTANTIATE_TEST_SUITE_P(On, OperatorsOfAGpu, ::testing::Values("gpu"),
    [](const auto& tested) { return std::string(tested.param); });

}  // namespace
}  // namespace salf::ops
