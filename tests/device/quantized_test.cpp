// Frozen weights in few bits, and those of the run's type, on the fake device.
#include <ATen/core/grad_mode.h>
#include <gtest/gtest.h>
#include <torch/csrc/jit/api/module.h>
#include <torch/types.h>

#include <map>
#include <utility>

#include "device/after_each_step.h"
#include "model/graph/decoder_graph.h"
#include "model/graph/program.h"
#include "model/weights/narrow_weights.h"
#include "model/weights/quantized_blocks.h"
#include "support/expect_error.h"
#include "support/fake_device/fake_device.h"
#include "support/tiny_model.h"
#include "tensor/device.h"
#include "tensor/transfer.h"
#include "train/training_setup.h"

namespace salf::model {
namespace {

using ops::WeightFormat;

constexpr std::int64_t kCut = 2;

// Widths of 72 and more: a group of 64 and a short one.
ScriptModel decoder_on(const std::string& device) {
  torch::jit::Module module = support::make_tiny_decoder(3, 72, 50, 5);
  if (device != "cpu") module.to(tensor::open_device(device));
  return ScriptModel(module);
}

struct BitsCase {
  const char* name;
  WeightFormat format;
  bool narrow;
};

class BitsOnADevice : public ::testing::TestWithParam<BitsCase> {
 protected:
  GraphCut cut_of(const ScriptModel& model) const {
    const GraphCut whole(model, "");
    return GetParam().narrow ? whole.in_type(c10::kBFloat16) : whole;
  }

  at::Tensor of_the_cpu() const {
    const ScriptModel model = decoder_on("cpu");
    const GraphCut cut = cut_of(model);
    const QuantizedBlocks bits(model, cut, rounding_to(GetParam().format), kCut);
    return bits.graph().prefix(proof_batch(), kCut).to(at::kFloat);
  }

  // By a model of the device that has the values which the bits stand for.
  at::Tensor of_whole_weights(const tensor::Batch& batch) const {
    const ScriptModel model = decoder_on("cuda");
    for (std::int64_t block = 0; block < kCut; ++block) {
      for (const auto& name : GraphCut(model, "").block_parameters(block)) {
        at::Tensor tensor = model.parameter(name).tensor;
        if (tensor.dim() != 2) continue;
        at::Tensor values = tensor.cpu();
        ops::dequantize_(ops::quantize(values.clone(), GetParam().format), values);
        tensor.copy_(values);
      }
    }
    const GraphCut cut = cut_of(model);
    at::Tensor state = cut.prefix(batch, 0);
    for (std::int64_t block = 0; block < kCut; ++block) state = cut.block(state, batch, block);
    return state.cpu().to(at::kFloat);
  }
};

TEST_P(BitsOnADevice, GiveTheStatesOfTheCpuInTheMemoryOfOneBlock) {
  const at::NoGradGuard quiet;
  const tensor::Batch batch = tensor::on_device(proof_batch(), tensor::open_device("cuda"));
  const ScriptModel there = decoder_on("cuda");
  const GraphCut gpu = cut_of(there);
  const Packer pack = rounding_to(GetParam().format);
  const at::Tensor expected = GetParam().narrow ? of_whole_weights(batch) : of_the_cpu();
  const double tolerance = 2e-6 * expected.abs().max().item<double>();
  std::map<std::string, at::Tensor> before;
  std::int64_t block = 0;  // bytes of one block's matrices, with their copies
  for (const auto& name : gpu.block_parameters(0)) {
    const at::Tensor tensor = there.parameter(name).tensor;
    before[name] = tensor.cpu();
    if (tensor.dim() == 2) block += tensor.numel() * (GetParam().narrow ? 6 : 4);
  }
  gpu.prefix(batch, kCut);  // makes its tables
  const std::int64_t whole = fake_device::bytes_held();
  const std::int64_t of_weights = kCut * block;
  {
    const QuantizedBlocks on_gpu(there, gpu, pack, kCut);
    const auto deviation = [&] {
      return (on_gpu.graph().prefix(batch, kCut).cpu().to(at::kFloat) - expected)
          .abs()
          .max()
          .item<double>();
    };
    EXPECT_LE(deviation(), tolerance);
    constexpr std::int64_t kRounding = 40 * 512;  // of allocations
    EXPECT_LE(fake_device::bytes_held(), whole - of_weights + on_gpu.bytes() + block + kRounding);
    const std::int64_t waits = fake_device::counters().waits;
    on_gpu.graph().prefix(batch, kCut);
    EXPECT_EQ(fake_device::counters().waits, waits);
    on_gpu.graph().prefix_is_unread();
    EXPECT_LE(fake_device::bytes_held(), whole - of_weights + kRounding);
    EXPECT_LE(deviation(), tolerance);  // a block that runs all the same comes back
  }
  for (const auto& [name, tensor] : before) {
    EXPECT_TRUE(there.parameter(name).tensor.is_cuda());
    EXPECT_TRUE(at::equal(there.parameter(name).tensor.cpu(), tensor)) << name;
  }
}

INSTANTIATE_TEST_SUITE_P(Of, BitsOnADevice,
    ::testing::Values(BitsCase{"Int8", WeightFormat::kInt8, false},
        BitsCase{"Int4", WeightFormat::kInt4, false},
        BitsCase{"Int4Narrow", WeightFormat::kInt4, true},
        BitsCase{"BFloat16", WeightFormat::kBFloat16, true}),
    [](const auto& tested) { return tested.param.name; });

TEST(ListsOfAModel, AreSentToADeviceOnce) {
  torch::jit::Module module("Angles");
  module.register_attribute("frequencies", c10::ListType::ofFloats(),
      c10::IValue(c10::List<double>(std::initializer_list<double>{1.0, 0.5})));
  module.define(
      "def forward(self, ids: Tensor) -> Tensor:\n"
      "  return 2.0 * torch.tensor(self.frequencies, device=ids.device).float()\n");
  const c10::Device device = tensor::open_device("cuda");
  Program program(copy_forward(module), module, device, "angles", Operators::kOwn);
  program.keep_lists(device);
  const at::Tensor ids = at::zeros({1}, at::TensorOptions(at::kLong).device(device));
  const std::int64_t waits = fake_device::counters().waits;
  const at::Tensor angles = program.run({ids}).at(0).toTensor();
  EXPECT_EQ(fake_device::counters().waits, waits);
  EXPECT_TRUE(at::equal(angles.cpu(), at::tensor({2.0F, 1.0F})));
}

TEST(BitsOfAFile, AreRefusedOnADevice) {
  class OfTheCpu : public PackedMatrix {
    void unpack_(at::Tensor& out) const override { out.zero_(); }
    std::int64_t bytes() const override { return 0; }
  };
  const ScriptModel model = decoder_on("cuda");
  const GraphCut graph(model, "");
  const Packer pack = [](const std::string&, const at::Tensor&) {
    return std::make_unique<OfTheCpu>();
  };
  salf::testing::expect_error(ErrorKind::kUsage, "a GPU takes bf16, int8 or int4",
      [&] { QuantizedBlocks(model, graph, pack, kCut); });
  for (const auto& parameter : model.parameters()) EXPECT_TRUE(parameter.tensor.is_cuda());
}

struct Seen {
  c10::ScalarType head;
  bool block_on_gpu;
};

TEST(FrozenWeightsOfARun, AreInFewBitsAndInItsTypeUntilTheyLeave) {
  train::TinyRun run(true, 1, tensor::open_device("cuda"));
  run.graph = run.graph.in_type(c10::kBFloat16);
  run.plan.cut = 1;
  run.plan.steps = 20;
  run.plan.budget.amount = 20.0;
  run.plan.evaluations = 0;
  run.plan.epochs = 2.0;
  const at::Tensor head = run.graph.head_weight();
  const at::Tensor block = run.model.parameter(run.graph.linear_layers().front().weight).tensor;
  const at::Tensor head_before = head.cpu(), block_before = block.cpu();
  const testing::TemporaryFolder folder;
  {
    const QuantizedBlocks bits(run.model, run.graph, rounding_to(WeightFormat::kInt8), 1);
    const GraphCut whole = std::exchange(run.graph, bits.graph());
    testing::AfterEachStep<Seen> seen([&] { return Seen{head.scalar_type(), block.is_cuda()}; });
    const types::RunRecord record = train::train(run.inputs(folder.path()), seen);
    EXPECT_TRUE(record.cache && record.cache->complete);
    EXPECT_EQ(seen.after(2).head, c10::kBFloat16);
    EXPECT_TRUE(seen.after(2).block_on_gpu);
    EXPECT_FALSE(seen.after(20).block_on_gpu);
    run.graph = whole;
  }
  EXPECT_TRUE(at::equal(head.cpu(), head_before));
  EXPECT_TRUE(block.is_cuda());
  EXPECT_TRUE(at::equal(block.cpu(), block_before));
}

}  // namespace
}  // namespace salf::model
