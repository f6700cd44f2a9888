// What a GPU's memory holds while a model is trained and saved.
#include <ATen/ops/empty.h>
#include <ATen/ops/ones.h>
#include <gtest/gtest.h>
#include <torch/csrc/jit/api/module.h>

#include "core/files.h"
#include "device/after_each_step.h"
#include "support/fake_device/fake_device.h"
#include "support/tiny_model.h"
#include "tensor/allocation_watch.h"
#include "tensor/device.h"
#include "tensor/device_memory.h"
#include "tensor/tensor_file.h"
#include "train/step/head_loss.h"
#include "train/step/weights.h"
#include "train/training_setup.h"

namespace salf::train {
namespace {

class FrozenWeightsOnADevice : public ::testing::TestWithParam<bool> {};

TEST_P(FrozenWeightsOnADevice, LeaveItOnceAllRowsAreKeptAndComeBack) {
  const bool narrow = GetParam();
  TinyRun run(true, 1, tensor::open_device("cuda"));
  if (narrow) run.graph = run.graph.in_type(c10::kBFloat16);
  run.plan.cut = 2;
  run.plan.steps = 20;
  run.plan.budget.amount = 20.0;
  run.plan.evaluations = 0;
  run.plan.epochs = 2.0;
  std::int64_t below = 0;  // bytes of the matrices, which alone have narrow copies
  for (std::int64_t block = 0; block < 2; ++block) {
    for (const std::string& name : run.graph.block_parameters(block)) {
      const at::Tensor& tensor = run.model.parameter(name).tensor;
      if (tensor.dim() >= 2) below += tensor.numel() * (narrow ? 2 : 4);
    }
  }
  const std::int64_t begin = fake_device::bytes_held();
  const TemporaryFolder folder;
  testing::AfterEachStep<std::int64_t> bytes(&fake_device::bytes_held);
  const types::RunRecord record = train::train(run.inputs(folder.path()), bytes);
  EXPECT_EQ(record.peak_anonymous_bytes, fake_device::most_bytes_held());
  const auto filled = static_cast<std::int64_t>(run.train_batches.epoch(1, 0).size());
  // The next batch's rows are there from the second epoch on: [64, 16] and what they are rounded
  // to.
  const std::int64_t ahead = 64 * 16 * (narrow ? 2 : 4) + 1024;
  ASSERT_GT(below, 2 * ahead);
  EXPECT_LE(bytes.after(filled + 2), bytes.after(filled - 1) - below + ahead);
  EXPECT_GE(record.frozen_bytes_mapped, below);
  for (const auto& parameter : run.model.parameters())
    EXPECT_TRUE(parameter.tensor.is_cuda()) << parameter.name;
  if (!narrow) {
    EXPECT_EQ(fake_device::bytes_held(), begin);
  }
}

INSTANTIATE_TEST_SUITE_P(Of, FrozenWeightsOnADevice, ::testing::Bool(),
    [](const auto& tested) { return tested.param ? "bf16" : "f32"; });

TEST(FrozenWeights, StayOnADeviceForAnEvaluationThatKeepsNoRows) {
  TinyRun run(true, 1, tensor::open_device("cuda"));
  run.plan.cut = 2;
  run.plan.steps = 20;
  run.plan.budget.amount = 20.0;
  run.plan.evaluations = 1;
  run.plan.epochs = 2.0;
  const TemporaryFolder folder;
  core::Progress quiet;
  const types::RunRecord record = train::train(run.inputs(folder.path()), quiet);
  EXPECT_EQ(record.steps, 20);
  EXPECT_EQ(record.frozen_bytes_mapped, 0);
}

TEST(BestWeights, AreKeptOnTheHost) {
  const c10::Device device = tensor::open_device("cuda");
  const std::vector<model::Parameter> parameters{
      {"w", {}, at::ones({64, 64}, at::TensorOptions(device))}};
  const TemporaryFolder folder;
  Snapshot best(parameters, folder.path());
  const std::int64_t before = fake_device::bytes_held();
  best.take();
  EXPECT_EQ(fake_device::bytes_held(), before);
  parameters[0].tensor.zero_();
  best.take();
  parameters[0].tensor.fill_(2.0);
  best.restore();
  EXPECT_EQ(parameters[0].tensor.sum().item<double>(), 0.0);
}

TEST(SavingFromADevice, AsksForNoneOfItsMemoryAndGivesTheBytesOfTheCpu) {
  const TinyRun there(true, 1, tensor::open_device("cuda"));
  const std::int64_t allocations = fake_device::counters().allocations;
  const std::string saved = there.saved_bytes();
  EXPECT_EQ(fake_device::counters().allocations, allocations);
  EXPECT_EQ(saved, TinyRun().saved_bytes());
  for (const auto& parameter : there.model.parameters())
    EXPECT_TRUE(parameter.tensor.is_cuda()) << parameter.name;
}

// Weights of the sizes for which nameless files are made, 4 MB in all.
TEST(SavingFromADevice, HoldsNoSecondModelOnTheHostAndWritesCheckpointsTensorByTensor) {
  torch::jit::Module module = support::make_tiny_decoder(2, 256, 500, 5);
  module.to(tensor::open_device("cuda"));
  const model::ScriptModel model(module);
  std::size_t largest = 0, all = 0;
  tensor::TensorFile file;
  for (const auto& parameter : model.parameters()) {
    largest = std::max(largest, parameter.tensor.nbytes());
    all += parameter.tensor.nbytes();
    file.tensors.push_back({parameter.name, parameter.tensor.detach()});
  }
  ASSERT_GT(all, 4 * largest);
  const TemporaryFolder folder;
  const std::int64_t before = fake_device::most_bytes_held();
  const auto peak_of = [](const auto& save) {
    const tensor::AllocationWatch watch;
    save();
    return static_cast<std::size_t>(watch.peak());
  };
  constexpr std::size_t kSmall = 65536;  // vectors and what stays on the heap
  EXPECT_LE(peak_of([&] { model.save(folder.path() / "model.pt"); }), kSmall);
  EXPECT_LE(
      peak_of([&] { tensor::write_tensor_file(folder.path() / "a.safetensors", file); }), largest);
  EXPECT_EQ(fake_device::most_bytes_held(), before);
}

TEST(HeadChunksOnADevice, AreAShareOfItsMemory) {
  const c10::Device device = tensor::open_device("cuda");
  const at::Tensor weight = at::empty({1024, 8}, at::TensorOptions(device));
  const std::int64_t total = tensor::device_memory(device).total;
  EXPECT_EQ(head_chunk_rows(weight), total / 64 / 4 / 1024);
  EXPECT_EQ(head_chunk_rows(weight.detach().requires_grad_(true)), total / 64 / 4 / 1024);
}

}  // namespace
}  // namespace salf::train
