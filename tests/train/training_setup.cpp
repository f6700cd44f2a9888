#include "training_setup.h"

#include <torch/csrc/jit/api/module.h>

#include <fstream>

#include "core/files.h"
#include "core/random.h"
#include "support/tiny_model.h"

namespace salf::train {
namespace {

std::vector<std::int64_t> range(std::int64_t first, std::int64_t last) {
  std::vector<std::int64_t> numbers;
  for (std::int64_t i = first; i < last; ++i) numbers.push_back(i);
  return numbers;
}

torch::jit::Module tiny(bool tied, c10::Device device) {
  torch::jit::Module module =
      tied ? support::make_tied_tiny_decoder(kTestBlocks, 16, kTestVocabulary, 7)
           : support::make_tiny_decoder(kTestBlocks, 16, kTestVocabulary, 7);
  if (!device.is_cpu()) module.to(device);
  return module;
}

}  // namespace

data::Dataset make_dataset(std::int64_t count, std::uint64_t seed) {
  core::Random random(seed, "documents");
  data::Dataset dataset;
  for (std::int64_t i = 0; i < count; ++i) {
    data::Document document;
    const auto length = static_cast<std::int64_t>(4 + random.below(17));
    auto token = static_cast<std::int64_t>(random.below(kTestVocabulary));
    for (std::int64_t t = 0; t < length; ++t) {
      document.ids.push_back(token);
      token = random.uniform() < 0.8 ? (3 * token + 1) % kTestVocabulary
                                     : static_cast<std::int64_t>(random.below(kTestVocabulary));
      document.labels.push_back(t < 2 || t + 1 == length ? tensor::kNoLabel : token);
    }
    document.line = i + 1;
    dataset.documents.push_back(document);
    dataset.splits.push_back(data::Split::kTrain);
  }
  dataset.hash = std::string(64, 'd');
  return dataset;
}

TinyRun::TinyRun(bool tied, std::int64_t accumulate, c10::Device device)
    : dataset(make_dataset(60, 3)), model(tiny(tied, device)), graph(model, ""),
      train_batches(dataset, range(0, 48), {64, 0}, 0),
      dev_batches(dataset, range(48, 60), {64, 0}, 0) {
  plan.cut = 0;
  plan.budget = {12.0, types::BudgetUnit::kSteps};
  plan.batch_tokens = 64;
  plan.accumulate = accumulate;
  plan.steps = 12;
  plan.learning_rate = 0.01;
  plan.evaluations = 3;
}

TrainInputs TinyRun::inputs(const std::filesystem::path& folder) const {
  TrainInputs made{{{model, graph, train_batches, dev_batches, plan}}};
  made.run.where.folder = folder;
  made.run.where.identity["model_hash"] = "m";
  made.run.where.identity["data_hash"] = dataset.hash;
  return made;
}

std::string TinyRun::saved_bytes() const {
  const TemporaryFolder folder;
  model.save(folder.path() / "model.pt");
  return core::read_file(folder.path() / "model.pt");
}

std::vector<std::string> read_lines(const std::filesystem::path& path) {
  std::ifstream stream(path);
  std::vector<std::string> lines;
  for (std::string line; std::getline(stream, line);) lines.push_back(line);
  return lines;
}

std::vector<core::Json> metrics(const std::filesystem::path& folder, const std::string& key) {
  std::vector<core::Json> lines;
  for (const auto& line : read_lines(folder / "metrics.jsonl")) {
    core::Json json = core::parse_json(line, "metrics.jsonl");
    if (json.contains(key)) lines.push_back(std::move(json));
  }
  return lines;
}

std::vector<std::string> timeless(const std::filesystem::path& folder) {
  std::vector<std::string> lines;
  for (const auto& line : read_lines(folder / "metrics.jsonl")) {
    core::Json json = core::parse_json(line, "metrics.jsonl");
    json.erase("seconds");
    lines.push_back(json.dump());
  }
  return lines;
}

}  // namespace salf::train
