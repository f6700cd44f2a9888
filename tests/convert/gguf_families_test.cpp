// Every family as llama.cpp's converter writes it: tests/golden/import_gguf/make_golden.py made the
// files and transformers' logits.
#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <torch/csrc/jit/api/module.h>

#include "convert/export/export.h"
#include "convert/import/import.h"
#include "core/files.h"
#include "core/hash.h"
#include "model/model_directory.h"
#include "model/script_model.h"
#include "support/expect_error.h"
#include "support/gguf_writer.h"
#include "support/temporary_folder.h"
#include "tensor/tensor_file.h"

namespace salf::convert {
namespace {

namespace fs = std::filesystem;
using testing::expect_error;

fs::path golden_gguf(const std::string& name) {
  return fs::path(SALF_TEST_DATA) / "import_gguf" / name;
}

ImportResult import_file(const fs::path& source, const fs::path& directory) {
  core::Progress progress;
  return import_gguf(source, directory, progress, true).value();
}

class GgufFamily : public ::testing::TestWithParam<const char*> {};

TEST_P(GgufFamily, GivesTheLogitsOfTransformersAndGoesOnToHuggingFace) {
  const std::string name = GetParam();
  const testing::TemporaryFolder folder;
  const ImportResult result = import_file(golden_gguf(name + ".gguf"), folder / "model");
  EXPECT_TRUE(result.warnings.empty()) << result.warnings.front();
  const auto model = model::ScriptModel::load(folder / "model/model.pt", c10::kCPU);
  const auto expected = tensor::read_tensor_file(golden_gguf(name + ".safetensors")).tensors;
  const at::NoGradGuard no_gradients;
  torch::jit::Module module = model.module();
  at::Tensor ids, logits;
  for (const auto& named : expected) (named.name == "ids" ? ids : logits) = named.tensor;
  const at::Tensor difference = module.forward({ids}).toTensor() - logits;
  EXPECT_LT(difference.abs().max().item<double>(), 1e-4);

  // config.json says the same as the program.
  core::Progress progress;
  export_hugging_face(folder / "model", folder / "hf", {}, progress).value();
  import_hugging_face(folder / "hf", folder / "again", progress).value();
  EXPECT_EQ(
      core::sha256_file(folder / "again/model.pt"), core::sha256_file(folder / "model/model.pt"));
}

INSTANTIATE_TEST_SUITE_P(Golden, GgufFamily,
    ::testing::Values(
        "qwen3", "gemma2", "gemma3", "phi3", "olmo2", "olmo3", "gpt2", "smollm3", "granite"),
    [](const auto& family) { return std::string(family.param); });

TEST(SplitGguf, IsOneModel) {
  const testing::TemporaryFolder folder;
  const std::string first = "qwen3-00001-of-00003.gguf", second = "qwen3-00002-of-00003.gguf";
  import_file(golden_gguf("qwen3.gguf"), folder / "whole");
  const ImportResult result = import_file(golden_gguf(first), folder / "split");
  EXPECT_EQ(
      core::sha256_file(folder / "split/model.pt"), core::sha256_file(folder / "whole/model.pt"));
  EXPECT_EQ(result.source_bytes,
      static_cast<std::int64_t>(fs::file_size(golden_gguf(first)) +
                                fs::file_size(golden_gguf(second)) +
                                fs::file_size(golden_gguf("qwen3-00003-of-00003.gguf"))));

  expect_error(ErrorKind::kBadModel, "give the first, NAME-00001-of-00003.gguf",
      [&] { import_file(golden_gguf(second), folder / "other"); });
  fs::copy(golden_gguf(first), folder / first);
  expect_error(ErrorKind::kIo, second, [&] { import_file(folder / first, folder / "other"); });
  fs::copy(golden_gguf("qwen3-00003-of-00003.gguf"), folder / second);
  expect_error(ErrorKind::kBadModel, "expected part 2 of 3",
      [&] { import_file(folder / first, folder / "other"); });
}

}  // namespace
}  // namespace salf::convert
