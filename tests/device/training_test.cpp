// The trainer on the fake device.
#include <ATen/ops/ones.h>
#include <gmock/gmock.h>

#include "model/weights/quantized_blocks.h"
#include "ops/operators.h"
#include "support/fake_device/fake_device.h"
#include "tensor/device.h"
#include "train/training_setup.h"

namespace salf::train {
namespace {

using ::testing::HasSubstr;
namespace fs = std::filesystem;

constexpr std::int64_t kStopped = 4;  // steps

struct DeviceRun : TinyRun {
  DeviceRun() : TinyRun(true, 1, tensor::open_device("cuda")) {
    plan.cut = 1;
    plan.batch_reason = "larger ones are not tried";
    graph = graph.in_type(c10::kBFloat16);
    bits = std::make_unique<model::QuantizedBlocks>(
        model, graph, model::rounding_to(ops::WeightFormat::kInt4), plan.cut);
    graph = bits->graph();
  }
  types::RunRecord train_in(const fs::path& folder, core::Progress& progress, bool resume) const {
    TrainInputs made = inputs(folder);
    made.run.how.options.checkpoint_steps = 1;
    made.resume = resume;
    return train::train(made, progress);
  }
  std::string saved() {
    bits.reset();
    return saved_bytes();
  }

  std::unique_ptr<model::QuantizedBlocks> bits;
};

// The allocations before each step of a run.
class StepAllocations : public core::Progress {
 public:
  void begin(const std::string& what, std::int64_t, const std::string&) override {
    training_ = what == "training";
  }
  void update(std::int64_t done, const std::string&) override {
    if (training_) after_[done] = fake_device::counters().allocations;
  }
  std::int64_t of_step(std::int64_t step) const { return after_.at(step) - after_.at(step - 1); }

 private:
  bool training_ = false;
  std::map<std::int64_t, std::int64_t> after_;
};

// Refuses the allocation of this number of the step after `done`.
class RefuseInStep : public core::Progress {
 public:
  RefuseInStep(std::int64_t done, std::int64_t number) : done_(done), number_(number) {}
  ~RefuseInStep() override { fake_device::refuse_allocation(-1); }
  void begin(const std::string& what, std::int64_t, const std::string&) override {
    training_ = what == "training";
  }
  void update(std::int64_t done, const std::string&) override {
    if (training_ && done == done_)
      fake_device::refuse_allocation(fake_device::counters().allocations + number_);
  }

 private:
  std::int64_t done_, number_;
  bool training_ = false;
};

TEST(ProductsOnADevice, KeepNoSecondCopyOfATrainedWeight) {
  const c10::Device device = tensor::open_device("cuda");
  const at::Tensor x = at::ones({4, 64}, at::TensorOptions(at::kBFloat16).device(device));
  const at::Tensor weight = at::ones({256, 64}, at::TensorOptions(device)).requires_grad_(true);
  const at::Tensor copy = weight.detach().to(at::kBFloat16);
  const std::int64_t before = fake_device::bytes_held();
  const at::Tensor y = ops::linear(x, weight, std::nullopt, copy);
  EXPECT_EQ(fake_device::bytes_held() - before, static_cast<std::int64_t>(y.nbytes()));
  y.sum().backward();
  EXPECT_EQ(weight.grad().scalar_type(), at::kFloat);
  EXPECT_EQ(weight.grad().cpu().sum().item<double>(), 4.0 * 256.0 * 64.0);
}

TEST(RefusedMemory, OfAnyAllocationOfAStepIsToldAndLosesNothing) {
  const TemporaryFolder uninterrupted, stopped;
  StepAllocations allocations;
  DeviceRun whole;
  whole.train_in(uninterrupted.path(), allocations, false);
  const std::string expected = whole.saved();
  {
    const DeviceRun begun;
    StopAt stop(kStopped);
    begun.train_in(stopped.path(), stop, false);
  }
  constexpr std::int64_t kStep = kStopped + 2, kSamples = 8;
  const std::int64_t all = allocations.of_step(kStep);
  ASSERT_GT(all, 2 * kSamples);
  for (std::int64_t i = 0; i < kSamples; ++i) {
    const std::int64_t number = i * (all - 1) / (kSamples - 1);
    SCOPED_TRACE("allocation " + std::to_string(number) + " of " + std::to_string(all));
    const TemporaryFolder folder;
    fs::copy(stopped.path(), folder.path(), fs::copy_options::recursive);
    const DeviceRun tested;
    try {
      RefuseInStep refuse(kStep - 1, number);
      tested.train_in(folder.path(), refuse, true);
      FAIL() << "nothing was refused";
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), ErrorKind::kMemory) << error.what();
      EXPECT_THAT(error.what(), HasSubstr("the GPU is out of memory (tried to allocate "));
      EXPECT_THAT(error.what(), HasSubstr("salf chose batches of 64 tokens"));
      EXPECT_THAT(error.what(), HasSubstr("the checkpoint of step 5 is kept"));
    }
    DeviceRun again;
    core::Progress quiet;
    again.train_in(folder.path(), quiet, true);
    EXPECT_EQ(again.saved(), expected);
  }
}

}  // namespace
}  // namespace salf::train
