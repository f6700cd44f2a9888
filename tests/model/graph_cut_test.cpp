#include "model/graph/graph_cut.h"

#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/linalg_vector_norm.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/randint.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <torch/csrc/jit/api/module.h>

#include "core/error.h"
#include "support/tiny_model.h"

namespace salf::model {
namespace {

constexpr int kBlocks = 4;
constexpr int kHidden = 16;
constexpr int kVocabulary = 50;

tensor::Batch random_batch(std::int64_t rows, std::int64_t length) {
  tensor::Batch batch;
  batch.ids = at::randint(kVocabulary, {rows, length}, at::kLong);
  batch.real_tokens = rows * length;
  return batch;
}

double difference(const at::Tensor& a, const at::Tensor& b) {
  return (a - b).abs().max().item<double>();
}

ScriptModel tiny() {
  return ScriptModel(support::make_tiny_decoder(kBlocks, kHidden, kVocabulary, 7));
}

TEST(GraphCut, FindsBlocksEmbeddingAndHead) {
  const ScriptModel model = tiny();
  const GraphCut graph(model, "");
  EXPECT_EQ(graph.map().container, "model.layers");
  EXPECT_EQ(graph.map().blocks, kBlocks);
  EXPECT_EQ(graph.map().hidden, kHidden);
  EXPECT_EQ(graph.map().vocabulary, kVocabulary);
  EXPECT_EQ(graph.map().embedding_parameter, "model.embed_tokens.weight");
  EXPECT_EQ(graph.map().head_parameter, "lm_head.weight");
  EXPECT_TRUE(graph.map().plain_head);
  EXPECT_FALSE(graph.map().tied);
}

TEST(GraphCut, SeesATiedHead) {
  const ScriptModel model(support::make_tied_tiny_decoder(kBlocks, kHidden, kVocabulary, 7));
  const GraphCut graph(model, "");
  EXPECT_TRUE(graph.map().tied);
  EXPECT_EQ(graph.map().head_parameter, graph.map().embedding_parameter);
}

TEST(GraphCut, EveryCutEqualsTheWholeModel) {
  const ScriptModel model = tiny();
  const GraphCut graph(model, "");
  const at::NoGradGuard no_grad;
  for (const std::int64_t length : {1, 5, 33}) {
    const tensor::Batch batch = random_batch(3, length);
    const at::Tensor whole = model.forward(batch);
    const Spaces spaces = graph.tap(batch);
    ASSERT_EQ(spaces.hidden.size(), kBlocks + 1U);
    for (std::int64_t cut = 0; cut < kBlocks; ++cut) {
      const at::Tensor hidden = graph.prefix(batch, cut);
      EXPECT_EQ(difference(hidden, spaces.hidden[static_cast<std::size_t>(cut)]), 0.0);
      const at::Tensor state = graph.suffix(hidden, batch, cut);
      EXPECT_EQ(difference(state, spaces.final_state), 0.0);
      const at::Tensor logits =
          graph.head()(state.reshape({-1, kHidden})).reshape({3, length, kVocabulary});
      EXPECT_LE(difference(logits, whole), 1e-5) << "cut " << cut;
      EXPECT_LE(graph.prove(cut), 1e-5);
    }
  }
}

TEST(GraphCut, FinalNormIsTheNormOfTheLastSpace) {
  const ScriptModel model = tiny();
  const GraphCut graph(model, "");
  const at::NoGradGuard no_grad;
  const Spaces spaces = graph.tap(random_batch(2, 6));
  const at::Tensor normed = graph.final_norm(spaces.hidden.back().reshape({-1, kHidden}));
  EXPECT_LE(difference(normed, spaces.final_state.reshape({-1, kHidden})), 1e-6);
}

TEST(GraphCut, GradientsStopAtTheCut) {
  const ScriptModel model = tiny();
  const GraphCut graph(model, "");
  const tensor::Batch batch = random_batch(2, 6);
  for (const auto& parameter : model.parameters()) {
    at::Tensor tensor = parameter.tensor;
    tensor.requires_grad_(true);
  }
  at::Tensor hidden;
  {
    const at::NoGradGuard no_grad;
    hidden = graph.prefix(batch, 2);
  }
  graph.suffix(hidden, batch, 2).sum().backward();
  for (std::int64_t i = 0; i < kBlocks; ++i) {
    for (const auto& name : graph.block_parameters(i)) {
      EXPECT_EQ(model.parameter(name).tensor.grad().defined(), i >= 2) << name;
    }
  }
  EXPECT_FALSE(model.parameter("model.embed_tokens.weight").tensor.grad().defined());
  EXPECT_TRUE(model.parameter("model.norm.weight").tensor.grad().defined());
}

TEST(GraphCut, NamesTheParametersOfEachPart) {
  const ScriptModel model = tiny();
  const GraphCut graph(model, "");
  EXPECT_THAT(graph.final_parameters(), ::testing::ElementsAre("model.norm.weight"));
  EXPECT_THAT(graph.block_parameters(3), ::testing::Contains("model.layers.3.mlp.up_proj.weight"));
  std::size_t count = 3;  // embedding, final norm, head
  for (std::int64_t i = 0; i < kBlocks; ++i) count += graph.block_parameters(i).size();
  EXPECT_EQ(count, model.parameters().size());
}

TEST(GraphCut, TakesTheBlocksThatAreNamed) {
  const ScriptModel model = tiny();
  EXPECT_EQ(GraphCut(model, "model.layers").map().blocks, kBlocks);
  try {
    const GraphCut graph(model, "model.norm");
    FAIL() << "a module without numbered children was accepted";
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::kBadModel);
    EXPECT_THAT(error.what(), ::testing::HasSubstr("--blocks"));
  }
}

TEST(GraphCut, RefusesADepthOutsideOfTheModel) {
  const ScriptModel model = tiny();
  const GraphCut graph(model, "");
  EXPECT_THROW(graph.prefix(random_batch(1, 3), kBlocks), Error);
  EXPECT_THROW(graph.prefix(random_batch(1, 3), -1), Error);
}

}  // namespace
}  // namespace salf::model
