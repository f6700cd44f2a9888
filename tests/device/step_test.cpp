// What a training step costs in waits and copies between host and device.
#include <gtest/gtest.h>

#include <numeric>

#include "device/after_each_step.h"
#include "model/weights/lora.h"
#include "support/fake_device/fake_device.h"
#include "tensor/device.h"
#include "train/training_setup.h"

namespace salf::train {
namespace {

using fake_device::Counters;

constexpr std::int64_t kMostToHost = 64;  // bytes
constexpr std::int64_t kBatchTokens = 64;
constexpr std::int64_t kWidth = 16;  // D of the tiny model
// Ids, mask, places and targets.
constexpr std::int64_t kNumbers = 4;

struct StepCase {
  const char* name;
  std::int64_t cut = 0, accumulate = 1;
  bool narrow = false, cached = false, recompute = false, lora = false, packed = false;
};

void PrintTo(const StepCase& tested, std::ostream* out) { *out << tested.name; }

std::vector<StepCase> step_cases() {
  StepCase everything{"Everything"}, narrow{"Narrow"}, cut{"NotCached", 1}, cached{"Cached", 1},
      recomputed{"Recomputed", 1, 2}, lora{"Lora", 1}, packed{"Packed", 1};
  narrow.narrow = cached.narrow = lora.narrow = packed.narrow = true;
  cached.cached = lora.cached = recomputed.recompute = lora.lora = packed.packed = true;
  return {everything, narrow, cut, cached, recomputed, lora, packed};
}

class StepOnADevice : public ::testing::TestWithParam<StepCase> {};

std::vector<std::int64_t> training_rows() {
  std::vector<std::int64_t> rows(48);
  std::iota(rows.begin(), rows.end(), 0);
  return rows;
}

void use_lora(TinyRun& run) {
  run.plan.lora.emplace();
  std::vector<model::LinearLayer> layers;
  for (const auto& layer : run.graph.linear_layers())
    if (layer.block >= 1) layers.push_back(layer);
  run.graph = run.graph.with_lora(model::make_lora(run.model, layers, {2, 4.0, false}, 1));
}

TEST_P(StepOnADevice, WaitsOnceAndSendsOnlyIdsAndCacheRows) {
  const StepCase tested = GetParam();
  TinyRun run(true, tested.accumulate, tensor::open_device("cuda"));
  const data::Batcher batches(
      run.dataset, training_rows(), {kBatchTokens, tested.packed ? 32 : 0}, 0);
  if (tested.narrow) run.graph = run.graph.in_type(c10::kBFloat16);
  if (tested.lora) use_lora(run);
  run.plan.cut = tested.cut;
  run.plan.steps = 20;
  run.plan.budget.amount = 20.0;
  run.plan.evaluations = 0;
  run.plan.epochs = 2.0;
  const testing::TemporaryFolder folder;
  TrainInputs inputs{{{run.model, run.graph, batches, run.dev_batches, run.plan}}};
  inputs.run.where.folder = folder.path();
  inputs.run.how.options.no_cache = !tested.cached;
  inputs.run.how.options.recompute = tested.recompute;
  testing::AfterEachStep<Counters> counted(&fake_device::counters);
  const types::RunRecord record = train::train(inputs, counted);
  ASSERT_EQ(record.cache.has_value(), tested.cached);
  const std::int64_t state = kBatchTokens * kWidth * (tested.narrow ? 2 : 4);
  const auto filled =  // the first step of the second epoch
      static_cast<std::int64_t>(batches.epoch(1, 0).size()) / tested.accumulate + 1;
  ASSERT_LT(filled, run.plan.steps - 2);
  for (std::int64_t step = 2; step <= run.plan.steps; ++step) {
    SCOPED_TRACE("step " + std::to_string(step));
    const Counters &before = counted.after(step - 1), &now = counted.after(step);
    EXPECT_LE(now.waits - before.waits, 1) << ::testing::PrintToString(now.by_wait);
    const bool fills = tested.cached && step < filled;
    // Rows go a step ahead of their use.
    const bool reads = tested.cached && step + 1 >= filled;
    EXPECT_LE(now.bytes_to_host - before.bytes_to_host, kMostToHost + (fills ? state : 0));
    EXPECT_LE(now.bytes_to_device - before.bytes_to_device,
        tested.accumulate * (kNumbers * 8 * kBatchTokens + (reads ? state : 0)));
    EXPECT_LE(now.copies_to_device - before.copies_to_device,
        tested.accumulate * (1 + (reads ? 1 : 0) + (tested.packed ? 2 : 0)));
  }
}

INSTANTIATE_TEST_SUITE_P(Of, StepOnADevice, ::testing::ValuesIn(step_cases()),
    [](const auto& tested) { return tested.param.name; });

}  // namespace
}  // namespace salf::train
