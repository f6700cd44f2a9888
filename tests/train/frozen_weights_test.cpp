#include "train/cache/frozen_weights.h"

#include <ATen/core/grad_mode.h>
#include <ATen/ops/equal.h>
#include <gtest/gtest.h>
#include <torch/csrc/jit/api/module.h>

#include <algorithm>
#include <set>

#include "core/error.h"
#include "core/files.h"
#include "support/tiny_model.h"
#include "train/step/step_runner.h"
#include "training_setup.h"

namespace salf::train {
namespace {

constexpr std::int64_t kCut = 3;

std::string saved(const model::ScriptModel& model, const std::filesystem::path& folder) {
  model.save(folder / "model.pt");
  return core::read_file(folder / "model.pt");
}

TEST(FrozenWeights, AreThoseThatOnlyTheFrozenPartNeeds) {
  for (const bool tied : {true, false}) {
    const TinyRun run(tied);
    const Freeze freeze(run.model, run.graph, 2);
    std::set<std::string> names;
    for (const auto& parameter : weights_below(freeze, run.graph, 2)) names.insert(parameter.name);
    EXPECT_EQ(names.count("model.embed_tokens.weight"), tied ? 0U : 1U);
    EXPECT_EQ(names.count("lm_head.weight"), 0U);
    EXPECT_EQ(names.count("model.layers.1.mlp.up_proj.weight"), 1U);
    EXPECT_EQ(names.count("model.layers.2.mlp.up_proj.weight"), 0U);
  }
}

TEST(FrozenWeights, LeaveMemoryAndComeBackBitForBit) {
  const TemporaryFolder folder, spaces;
  saved(model::ScriptModel(support::make_tiny_decoder(4, 512, 2000, 7)), folder.path());
  // Loaded, as every model is: each weight has its memory for itself.
  const model::ScriptModel model = model::ScriptModel::load(folder / "model.pt", c10::kCPU);
  const model::GraphCut graph(model, "");
  const TinyRun rows;
  const tensor::Batch batch = rows.train_batches.make(rows.train_batches.in_order().front());
  const at::NoGradGuard quiet;
  const at::Tensor logits = model.forward(batch);
  const std::string before = saved(model, folder.path());

  const Freeze freeze(model, graph, kCut);
  const std::vector<model::Parameter> below = weights_below(freeze, graph, kCut);
  std::int64_t bytes = 0;
  for (const auto& parameter : below) bytes += static_cast<std::int64_t>(parameter.tensor.nbytes());
  const std::int64_t anonymous = memory_use().anonymous;
  {
    const MappedWeights mapped(below, spaces.path());
    EXPECT_EQ(mapped.bytes(), bytes);
    EXPECT_TRUE(std::filesystem::is_empty(spaces.path()));
    mapped.release();
  }
  EXPECT_LT(memory_use().anonymous, anonymous - bytes * 8 / 10);
  EXPECT_TRUE(at::equal(model.forward(batch), logits));
  EXPECT_TRUE(saved(model, folder.path()) == before);
}

TEST(FrozenWeights, StayWhereTheirMemoryIsShared) {
  const TemporaryFolder folder;
  const TinyRun run(false);
  const Freeze freeze(run.model, run.graph, 2);
  const std::vector<model::Parameter> below = weights_below(freeze, run.graph, 2);
  const at::Tensor view = below.front().tensor.detach();
  const void* const place = view.const_data_ptr();
  const MappedWeights mapped(below, folder.path());
  EXPECT_EQ(below.front().tensor.const_data_ptr(), place);
  EXPECT_GT(mapped.bytes(), 0);
}

TEST(FrozenWeights, AreLeftAloneWithoutADisk) {
  const TinyRun run(false);
  const Freeze freeze(run.model, run.graph, 2);
  const std::string before = run.saved_bytes();
  EXPECT_THROW(MappedWeights(weights_below(freeze, run.graph, 2), "/proc/self/fd"), Error);
  EXPECT_TRUE(run.saved_bytes() == before);
}

}  // namespace
}  // namespace salf::train
