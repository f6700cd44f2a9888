#include "model/script_model.h"

#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/ones.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <torch/csrc/jit/api/module.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "core/error.h"
#include "core/files.h"
#include "support/tiny_model.h"

namespace salf::model {
namespace {

namespace fs = std::filesystem;

class ScriptModelFiles : public ::testing::Test {
 protected:
  void SetUp() override {
    folder_ = fs::temp_directory_path() / ("salf_script_model_" + std::to_string(::getpid()));
    fs::create_directories(folder_);
  }
  void TearDown() override { fs::remove_all(folder_); }

  std::string error_of(const fs::path& archive) const {
    try {
      ScriptModel::load(archive, c10::kCPU);
    } catch (const Error& error) {
      return error.what();
    }
    return "";
  }

  fs::path folder_;
};

tensor::Batch some_batch() {
  tensor::Batch batch;
  batch.ids = at::ones({2, 5}, at::kLong);
  return batch;
}

TEST(ScriptModel, ListsATiedWeightOnce) {
  const ScriptModel model(support::make_tied_tiny_decoder(2, 8, 40, 1));
  EXPECT_EQ(&model.parameter("lm_head.weight"), &model.parameter("model.embed_tokens.weight"));
  EXPECT_EQ(model.parameter("lm_head.weight").aliases.size(), 1U);
}

TEST_F(ScriptModelFiles, SavesTheSameBytesAndTheSameModel) {
  const ScriptModel model(support::make_tiny_decoder(2, 8, 40, 1));
  model.save(folder_ / "a.pt");
  const ScriptModel loaded = ScriptModel::load(folder_ / "a.pt", c10::kCPU);
  loaded.save(folder_ / "b.pt");
  const ScriptModel again = ScriptModel::load(folder_ / "b.pt", c10::kCPU);
  again.save(folder_ / "c.pt");
  EXPECT_EQ(core::read_file(folder_ / "b.pt"), core::read_file(folder_ / "c.pt"));
  EXPECT_TRUE(loaded.forward(some_batch()).equal(model.forward(some_batch())));
}

TEST_F(ScriptModelFiles, SavesTheRequiresGradThatWasLoaded) {
  ScriptModel model(support::make_tiny_decoder(2, 8, 40, 1));
  const bool before = model.parameters()[0].tensor.requires_grad();
  at::Tensor first = model.parameters()[0].tensor;
  first.requires_grad_(!before);
  model.save(folder_ / "a.pt");
  EXPECT_EQ(first.requires_grad(), !before);
  EXPECT_EQ(ScriptModel::load(folder_ / "a.pt", c10::kCPU).parameters()[0].tensor.requires_grad(),
      before);
}

// The model stays what it is, and a write changes the model and not the file.
TEST_F(ScriptModelFiles, WeightsCanLieInTheArchive) {
  const fs::path archive = folder_ / "a.pt";
  ScriptModel(support::make_tiny_decoder(2, 64, 500, 5)).save(archive);
  const std::string bytes = core::read_file(archive);
  const at::NoGradGuard no_grad;
  ScriptModel model = ScriptModel::load(archive, c10::kCPU);
  const at::Tensor logits = model.forward(some_batch());
  const Parameter& weight = model.parameter("model.embed_tokens.weight");
  EXPECT_FALSE(model.lies_in_archive(weight));
  model.map_weights();
  EXPECT_TRUE(model.lies_in_archive(weight));
  EXPECT_TRUE(at::equal(model.forward(some_batch()), logits));

  at::Tensor written = weight.tensor;
  written.mul_(2.0);
  EXPECT_FALSE(model.lies_in_archive(weight));
  EXPECT_FALSE(at::equal(model.forward(some_batch()), logits));
  EXPECT_EQ(core::read_file(archive), bytes);
}

TEST_F(ScriptModelFiles, WeightsStayWhereTheArchiveHasChanged) {
  const fs::path archive = folder_ / "a.pt";
  ScriptModel(support::make_tiny_decoder(2, 64, 500, 5)).save(archive);
  ScriptModel model = ScriptModel::load(archive, c10::kCPU);
  ScriptModel(support::make_tiny_decoder(2, 64, 600, 6)).save(archive);
  model.map_weights();
  EXPECT_FALSE(model.lies_in_archive(model.parameter("model.embed_tokens.weight")));
}

TEST_F(ScriptModelFiles, RefusesWhatIsNoArchive) {
  EXPECT_THAT(error_of(folder_ / "missing.pt"), ::testing::HasSubstr("no such file"));
  std::ofstream(folder_ / "empty.pt").close();
  EXPECT_THAT(error_of(folder_ / "empty.pt"), ::testing::HasSubstr("not a TorchScript archive"));
  std::ofstream(folder_ / "text.pt") << "weights";
  EXPECT_THAT(error_of(folder_ / "text.pt"), ::testing::HasSubstr("not a TorchScript archive"));
}

TEST_F(ScriptModelFiles, RefusesATruncatedArchive) {
  const ScriptModel model(support::make_tiny_decoder(2, 8, 40, 1));
  model.save(folder_ / "whole.pt");
  const std::string bytes = core::read_file(folder_ / "whole.pt");
  for (std::size_t i = 1; i <= 20; ++i) {
    core::write_file_atomically(folder_ / "part.pt", bytes.substr(0, bytes.size() * i / 21));
    EXPECT_NE(error_of(folder_ / "part.pt"), "") << "accepted " << i << "/21 of the archive";
  }
}

TEST_F(ScriptModelFiles, RefusesCodeThatWritesFiles) {
  torch::jit::Module module("__torch__.Writer");
  module.define(R"(
def forward(self, input_ids: Tensor) -> Tensor:
    torch.save(input_ids, "/tmp/salf_should_not_exist")
    return input_ids
)");
  module.save((folder_ / "writer.pt").string());
  EXPECT_THAT(error_of(folder_ / "writer.pt"), ::testing::HasSubstr("aten::save"));
}

TEST_F(ScriptModelFiles, RefusesAForwardWithoutIds) {
  torch::jit::Module module("__torch__.Other");
  module.define("def forward(self, size: int) -> int:\n    return size\n");
  module.save((folder_ / "other.pt").string());
  EXPECT_THAT(error_of(folder_ / "other.pt"), ::testing::HasSubstr("token ids"));
}

}  // namespace
}  // namespace salf::model
