// Narrow copies of weights while the weights change, move or are quantized.
#include "model/weights/narrow_weights.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "model/weights/quantized_blocks.h"
#include "train/step/optimizer.h"
#include "training_setup.h"

namespace salf::train {
namespace {

bool is_current(model::NarrowWeights& narrow, const at::Tensor& weight) {
  return at::equal(narrow.of(weight), weight.to(at::kBFloat16));
}

TEST(NarrowWeights, FollowTheOptimizer) {
  const at::Tensor rows = at::randn({6, 8}), turned = at::randn({8, 6}).t();
  for (const auto& weights :
      {std::vector<at::Tensor>{rows}, std::vector<at::Tensor>{rows, turned}}) {
    const auto narrow = std::make_shared<model::NarrowWeights>(at::kBFloat16);
    std::vector<model::Parameter> parameters;
    for (const at::Tensor& weight : weights) {
      parameters.push_back({"w" + std::to_string(parameters.size()), {}, weight});
      weight.mutable_grad() = at::randn_like(weight);
      narrow->of(weight);
    }
    AdamW adamw(parameters, {}, narrow);
    for (int step = 0; step < 2; ++step) {
      const at::Tensor before = rows.clone();
      adamw.step(0.1);
      EXPECT_FALSE(at::equal(rows, before));
      for (const at::Tensor& weight : weights) EXPECT_TRUE(is_current(*narrow, weight)) << step;
    }
  }
}

TEST(NarrowWeights, OfMovedParametersAreThoseOfTheirLastChange) {
  for (const bool changed : {false, true}) {
    model::NarrowWeights narrow(at::kBFloat16);
    at::Tensor weight = at::randn({4, 4});
    const at::Tensor first = narrow.of(weight).clone();
    if (changed) weight.add_(1.0);
    weight.set_data(weight.clone());
    narrow.moved(weight);
    EXPECT_TRUE(is_current(narrow, weight)) << changed;
    EXPECT_EQ(at::equal(narrow.of(weight), first), !changed);
  }
}

TEST(NarrowWeights, OfQuantizedBlocksAreHeldForOneBlockAtATime) {
  const at::NoGradGuard quiet;
  const TinyRun run;
  const model::GraphCut graph = run.graph.in_type(at::kBFloat16);
  const tensor::Batch batch = run.train_batches.make(run.train_batches.in_order().front());
  const at::Tensor whole = graph.tap(batch).final_state;
  const std::int64_t all = graph.narrow_weights()->bytes();
  {
    const model::QuantizedBlocks quantized(
        run.model, graph, model::rounding_to(ops::WeightFormat::kInt8), kTestBlocks);
    for (int pass = 0; pass < 2; ++pass) {
      const at::Tensor state = quantized.graph().tap(batch).final_state;
      EXPECT_FALSE(at::equal(state, whole));
      EXPECT_LT((state - whole).abs().max().item<double>(), 0.2);
      EXPECT_LE(graph.narrow_weights()->bytes(), all / 2);
    }
  }
  EXPECT_TRUE(at::equal(graph.tap(batch).final_state, whole));
}

TEST(GraphCutInBFloat16, GivesNormedStatesInItsType) {
  const TinyRun run;
  const model::GraphCut graph = run.graph.in_type(at::kBFloat16);
  const at::Tensor states = at::randn({3, graph.map().hidden});
  EXPECT_EQ(graph.final_norm(states).scalar_type(), at::kBFloat16);
}

}  // namespace
}  // namespace salf::train
