// Branches of low rank in programs as users bring them: the parts with branches against the same
// model with the branches merged into its weights, and gradients against those of the merged
// product.
#include "model/weights/lora.h"

#include <ATen/core/grad_mode.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <torch/csrc/autograd/autograd.h>
#include <torch/csrc/jit/api/module.h>
#include <torch/types.h>

#include <algorithm>
#include <filesystem>
#include <set>
#include <string>
#include <vector>

#include "core/error.h"
#include "model/graph/decoder_graph.h"
#include "support/tiny_model.h"

namespace salf::model {
namespace {

ScriptModel open_family(const std::string& name) {
  return ScriptModel::load(
      std::filesystem::path(SALF_TEST_DATA) / "traces" / (name + ".pt"), c10::Device(c10::kCPU));
}

// With B away from zero, so that the branches count.
std::vector<LoraLayer> random_branches(
    const ScriptModel& model, const std::vector<LinearLayer>& layers) {
  std::vector<LoraLayer> branches = make_lora(model, layers, {2, 8.0, false}, 1);
  torch::manual_seed(3);
  for (LoraLayer& branch : branches) branch.b.normal_(0.0, 0.2);
  return branches;
}

std::vector<LinearLayer> above(std::vector<LinearLayer> layers, std::int64_t block) {
  const auto below = [&](const LinearLayer& layer) { return layer.block < block; };
  layers.erase(std::remove_if(layers.begin(), layers.end(), below), layers.end());
  return layers;
}

class LoraOnTrace : public ::testing::TestWithParam<std::string> {};

TEST_P(LoraOnTrace, BranchesEqualMergedWeights) {
  const at::NoGradGuard no_grad;
  const ScriptModel model = open_family(GetParam());
  const GraphCut graph(model, "");
  const tensor::Batch batch = proof_batch();
  const std::vector<LoraLayer> branches = random_branches(model, above(graph.linear_layers(), 1));
  ASSERT_FALSE(branches.empty());
  const GraphCut lora = graph.with_lora(branches);
  EXPECT_TRUE(graph.lora().empty());
  const at::Tensor plain = lora.tap(batch).hidden[1];
  const at::Tensor with_branches = lora.suffix(lora.prefix(batch, 1), batch, 1);
  const at::Tensor by_blocks = lora.block(lora.block(plain, batch, 1), batch, 2);
  const at::Tensor tapped = lora.tap(batch).hidden.back();
  const at::Tensor before = graph.suffix(graph.prefix(batch, 1), batch, 1);
  merge_lora(model, branches);
  const at::Tensor merged = graph.suffix(graph.prefix(batch, 1), batch, 1);
  const at::Tensor real =
      (batch.mask.defined() ? batch.mask : torch::ones_like(batch.ids)).unsqueeze(-1);
  const auto largest = [&](const at::Tensor& difference) {
    return (difference * real).abs().max().item<double>();
  };
  EXPECT_GT(largest(before - merged), 1e-2) << "the branches should matter";
  EXPECT_LT(largest(with_branches - merged), 2e-5 * std::max(1.0, largest(merged)));
  EXPECT_LT(largest(by_blocks - tapped), 2e-5 * std::max(1.0, largest(tapped)));
}

INSTANTIATE_TEST_SUITE_P(Families, LoraOnTrace,
    ::testing::Values("llama-sdpa", "llama-tied-eager-mask", "mistral-sdpa-mask", "qwen2-sdpa",
        "qwen3-sdpa-mask", "gemma2-sdpa", "phi3-sdpa", "olmo2-sdpa-mask", "gpt2-sdpa",
        "neox-eager-mask", "opt-sdpa-mask", "falcon-sdpa", "nanogpt-script", "nanogpt-trace"),
    [](const auto& name) {
      std::string text = name.param;
      std::replace(text.begin(), text.end(), '-', '_');
      return text;
    });

class Lora : public ::testing::Test {
 protected:
  std::vector<LinearLayer> layers() const { return graph_.linear_layers(); }

  ScriptModel model_{support::make_tiny_decoder(3, 16, 50, 5)};
  const GraphCut graph_{model_, ""};
};

TEST_F(Lora, FindsEveryProjectionOfEveryBlockOnce) {
  ASSERT_EQ(layers().size(), 21);
  std::set<std::string> names;
  for (const LinearLayer& layer : layers()) names.insert(layer.module);
  EXPECT_EQ(names.size(), 21);
  EXPECT_EQ(names.count("model.layers.2.self_attn.k_proj"), 1);
  EXPECT_EQ(layers().front().block, 0);
  EXPECT_EQ(layers().back().block, 2);
}

TEST_F(Lora, ChangesNothingBeforeTheFirstStep) {
  const at::NoGradGuard no_grad;
  const tensor::Batch batch = proof_batch();
  const at::Tensor before = graph_.suffix(graph_.prefix(batch, 1), batch, 1);
  const GraphCut lora = graph_.with_lora(make_lora(model_, layers(), {4, 8.0, false}, 1));
  EXPECT_TRUE(at::equal(lora.suffix(lora.prefix(batch, 1), batch, 1), before));
}

TEST_F(Lora, StartsAsPeftDoes) {
  const auto branches = make_lora(model_, layers(), {4, 8.0, false}, 1);
  const LoraLayer& first = branches.front();
  EXPECT_LE(first.a.abs().max().item<float>(), 0.25);  // 1 / sqrt(16)
  EXPECT_GT(first.a.abs().max().item<float>(), 0.2);
  EXPECT_EQ(first.b.abs().max().item<float>(), 0.0);
  EXPECT_EQ(first.scale, 2.0);
  EXPECT_EQ(make_lora(model_, layers(), {4, 8.0, true}, 1).front().scale, 4.0);
  EXPECT_TRUE(
      at::equal(make_lora(model_, layers(), {4, 8.0, false}, 1).back().a, branches.back().a));
  EXPECT_FALSE(
      at::equal(make_lora(model_, layers(), {4, 8.0, false}, 2).back().a, branches.back().a));
}

TEST_F(Lora, GradientsAreThoseOfTheMergedProduct) {
  std::vector<LoraLayer> branches = random_branches(model_, above(layers(), 1));
  const GraphCut lora = graph_.with_lora(branches);
  const tensor::Batch batch = proof_batch();
  std::vector<at::Tensor> ours;
  for (const Parameter& parameter : lora_parameters(branches)) {
    at::Tensor tensor = parameter.tensor;
    ours.push_back(tensor.requires_grad_(true));
  }
  const at::Tensor slope = torch::sin(torch::arange(batch.ids.numel() * 16).to(torch::kFloat))
                               .reshape({batch.rows(), batch.length(), 16});
  const auto gradients =
      torch::autograd::grad({lora.suffix(lora.prefix(batch, 1).detach(), batch, 1)}, ours, {slope});

  // dL/dA = s Bᵀ dL/dW and dL/dB = s dL/dW Aᵀ, with dL/dW from the model whose weights have taken
  // the branches up.
  merge_lora(model_, branches);
  std::vector<at::Tensor> weights;
  for (const LoraLayer& branch : branches) {
    at::Tensor weight = model_.parameter(branch.layer.weight).tensor;
    weights.push_back(weight.requires_grad_(true));
  }
  const auto whole = torch::autograd::grad(
      {graph_.suffix(graph_.prefix(batch, 1).detach(), batch, 1)}, weights, {slope});
  const at::NoGradGuard no_grad;
  for (std::size_t i = 0; i < branches.size(); ++i) {
    const LoraLayer& branch = branches[i];
    const at::Tensor a = branch.b.t().mm(whole[i]) * branch.scale;
    const at::Tensor b = whole[i].mm(branch.a.t()) * branch.scale;
    EXPECT_TRUE(at::allclose(gradients[2 * i], a, 1e-4, 1e-4)) << branch.layer.module;
    EXPECT_TRUE(at::allclose(gradients[2 * i + 1], b, 1e-4, 1e-4)) << branch.layer.module;
  }
}

TEST_F(Lora, TargetsAreLastComponentsOrAll) {
  EXPECT_EQ(choose_layers(layers(), {"all-linear"}).size(), 21);
  EXPECT_EQ(choose_layers(layers(), {"q_proj", "mlp.up_proj"}).size(), 6);
  try {
    choose_layers(layers(), {"q_proj", "c_attn"});
    FAIL() << "expected an error";
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::kUsage);
    EXPECT_THAT(
        std::string(error.what()), ::testing::AllOf(::testing::HasSubstr("c_attn"),
                                       ::testing::HasSubstr("down_proj, gate_proj, k_proj")));
  }
  EXPECT_THROW(choose_layers(layers(), {"proj"}), Error) << "part of a name is no name";
}

TEST_F(Lora, RefusesARankLargerThanTheMatrix) {
  try {
    make_lora(model_, layers(), {16, 8.0, false}, 1);
    FAIL() << "expected an error";
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::kUsage);
    EXPECT_THAT(std::string(error.what()), ::testing::HasSubstr("k_proj"));  // [8, 16]
  }
}

}  // namespace
}  // namespace salf::model
