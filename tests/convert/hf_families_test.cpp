// Every family against transformers: tests/golden/import_hf/make_golden.py made the directories and
// the logits.
#include <ATen/ATen.h>
#include <gtest/gtest.h>
#include <torch/csrc/jit/api/module.h>

#include <algorithm>
#include <map>
#include <set>

#include "calibration/calibrate.h"
#include "core/random.h"
#include "hf_directory.h"
#include "model/graph/graph_cut.h"
#include "model/model_directory.h"
#include "support/pieces.h"
#include "train/run/trainer.h"

namespace salf::convert {
namespace {

// Sums of a few dozen float32 products in another order; the logits are of size 1 to 3.
constexpr double kTolerance = 1e-4;
constexpr std::int64_t kVocabulary = 32;

double largest_difference(const at::Tensor& a, const at::Tensor& b) {
  return (a - b).abs().max().item<double>();
}

std::map<std::string, at::Tensor> read_tensors(const std::filesystem::path& path) {
  std::map<std::string, at::Tensor> tensors;
  for (const auto& named : tensor::read_tensor_file(path).tensors)
    tensors.emplace(named.name, named.tensor);
  return tensors;
}

class ImportedFamily : public ::testing::TestWithParam<const char*> {
 protected:
  ImportedFamily()
      : expected_(read_tensors(golden_directory(GetParam()) / "expected.safetensors")),
        result_(import_directory_quietly(golden_directory(GetParam()), folder_ / "model")),
        model_(model::ScriptModel::load(folder_ / "model/model.pt", c10::kCPU)) {}

  at::Tensor run(const at::Tensor& ids, const c10::IValue& mask = {}) const {
    const at::NoGradGuard no_gradients;
    torch::jit::Module module = model_.module();
    return module.forward({ids, mask}).toTensor();
  }

  // Compares a padded batch at the positions that are no padding.
  void expect_padded(const std::string& side) const {
    const at::Tensor mask = expected_.at(side + ".mask");
    const at::Tensor logits = run(expected_.at(side + ".ids"), mask);
    EXPECT_TRUE(logits.isfinite().all().item<bool>());
    const at::Tensor difference = (logits - expected_.at(side + ".logits")).abs().amax(-1) * mask;
    EXPECT_LT(difference.max().item<double>(), kTolerance) << side;
  }

  testing::TemporaryFolder folder_;
  std::map<std::string, at::Tensor> expected_;
  ImportResult result_;
  model::ScriptModel model_;
};

TEST_P(ImportedFamily, GivesTheLogitsOfTransformers) {
  double largest = 0.0;
  for (int i = 0; expected_.count("ids." + std::to_string(i)) > 0; ++i) {
    const at::Tensor ids = expected_.at("ids." + std::to_string(i));
    const double difference =
        largest_difference(run(ids), expected_.at("logits." + std::to_string(i)));
    EXPECT_LT(difference, kTolerance) << ids.size(1) << " tokens";
    largest = std::max(largest, difference);
    // A mask without padding changes nothing, whatever its type.
    EXPECT_EQ(
        largest_difference(run(ids, at::ones_like(ids)), run(ids, at::ones_like(ids, at::kBool))),
        0.0);
  }
  RecordProperty("largest_difference", std::to_string(largest));
  expect_padded("left");
  expect_padded("right");
}

TEST_P(ImportedFamily, KeepsTheNamesOfTransformers) {
  std::set<std::string> stored;
  for (const auto& file : std::filesystem::directory_iterator(golden_directory(GetParam()))) {
    const std::string name = file.path().filename().string();
    if (file.path().extension() != ".safetensors" || name == "expected.safetensors") continue;
    for (const auto& [tensor, value] : read_tensors(file.path())) {
      stored.insert(tensor);
      EXPECT_TRUE(model_.parameter(tensor).tensor.equal(value.to(at::kFloat))) << tensor;
    }
  }
  std::set<std::string> imported;
  for (const auto& parameter : model_.parameters()) {
    imported.insert(parameter.name);
    EXPECT_TRUE(parameter.tensor.requires_grad());
    EXPECT_EQ(parameter.aliases.size(),
        result_.tied && parameter.name == model_.parameters()[0].name ? 1U : 0U);
  }
  EXPECT_EQ(imported, stored);
  EXPECT_EQ(result_.warnings.size(), 1U) << "only the missing tokenizer is worth a warning";
}

TEST_P(ImportedFamily, IsCutAtEveryBlockAndReadInPieces) {
  const auto card = core::read_document<model::ModelCard>(folder_ / "model/salf.json");
  const model::GraphCut graph(model_, card.blocks);
  EXPECT_EQ(graph.map().blocks, result_.blocks);
  EXPECT_EQ(graph.map().hidden, 16);
  EXPECT_EQ(graph.map().vocabulary, kVocabulary);
  EXPECT_EQ(graph.map().tied, result_.tied);
  const std::string name = GetParam();
  EXPECT_EQ(graph.map().plain_head, name != "gemma2" && name != "gemma3");
  EXPECT_EQ(graph.map().container, model::GraphCut(model_, "").map().container);
  const at::NoGradGuard no_gradients;
  tensor::Batch batch;
  batch.ids = expected_.at("ids.3");
  for (std::int64_t cut = 0; cut < result_.blocks; ++cut) {
    const at::Tensor state = graph.suffix(graph.prefix(batch, cut), batch, cut);
    const at::Tensor logits =
        graph.head()(state.reshape({-1, 16})).view({1, batch.length(), kVocabulary});
    EXPECT_LT(largest_difference(logits, expected_.at("logits.3")), kTolerance) << "cut " << cut;
    EXPECT_LT(graph.prove(cut), 1e-5);
  }
  EXPECT_LT(testing::difference_in_pieces(graph, batch.ids, 3), 1e-5);
}

data::Dataset random_documents() {
  core::Random random(5, "documents");
  data::Dataset dataset;
  for (int d = 0; d < 8; ++d) {
    data::Document document;
    const std::uint64_t length = 6 + random.below(12);
    for (std::uint64_t t = 0; t < length; ++t) {
      document.ids.push_back(static_cast<std::int64_t>(random.below(kVocabulary)));
      document.labels.push_back(static_cast<std::int64_t>(random.below(kVocabulary)));
    }
    dataset.documents.push_back(document);
    dataset.splits.push_back(data::Split::kTrain);
  }
  dataset.hash = std::string(64, 'd');
  return dataset;
}

TEST_P(ImportedFamily, IsMeasuredAndTrained) {
  const model::GraphCut graph(model_, "");
  const data::Dataset dataset = random_documents();
  core::Progress progress;
  calibration::CalibrationOptions options;
  options.documents = 8;
  options.loss_positions = 1.0;
  const auto profile = calibration::calibrate(
      graph, dataset, options, {64, 0, kVocabulary, 1, 20, std::nullopt}, progress);
  ASSERT_TRUE(profile.has_value());

  std::map<std::string, at::Tensor> before;
  for (const auto& parameter : model_.parameters())
    before.emplace(parameter.name, parameter.tensor.detach().clone());
  const data::Batcher batches(dataset, {0, 1, 2, 3, 4, 5, 6, 7}, {256, 0}, 0);
  const data::Batcher none(dataset, {}, {256, 0}, 0);
  types::FreezePlan plan;
  plan.budget = {2.0, types::BudgetUnit::kSteps};
  plan.batch_tokens = 256;
  plan.steps = 2;
  plan.learning_rate = 0.01;
  train::TrainInputs inputs{{{model_, graph, batches, none, plan}}};
  inputs.run.where.folder = folder_.path();
  const types::RunRecord record = train::train(inputs, progress);
  EXPECT_EQ(record.steps, 2);
  for (const auto& parameter : model_.parameters()) {
    EXPECT_FALSE(parameter.tensor.equal(before.at(parameter.name))) << parameter.name;
    EXPECT_TRUE(parameter.tensor.isfinite().all().item<bool>()) << parameter.name;
  }
}

INSTANTIATE_TEST_SUITE_P(Golden, ImportedFamily,
    ::testing::Values("llama", "llama_biased", "smollm2", "mistral", "qwen2", "qwen2_window",
        "qwen3", "gemma2", "gemma2_uncapped", "phi3", "phi3_longrope", "olmo2", "gpt2",
        "gpt2_variant", "llama_yarn", "qwen3_dynamic", "gemma3", "smollm3", "granite", "olmo3"),
    [](const auto& family) { return std::string(family.param); });

}  // namespace
}  // namespace salf::convert
