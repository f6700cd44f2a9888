#include "model/scan/mapped_archive.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>
#include <torch/csrc/jit/api/module.h>
#include <torch/csrc/jit/serialization/import.h>

#include <fstream>

#include "core/files.h"
#include "support/expect_error.h"
#include "support/temporary_folder.h"
#include "support/tiny_model.h"

namespace salf::model {
namespace {

using testing::expect_error;

const std::filesystem::path kTraces = std::filesystem::path(SALF_TEST_DATA) / "traces";

// The same tensors under the same names as the loaded module's.
void expect_same(const std::filesystem::path& path) {
  const MappedArchive archive(path);
  const torch::jit::Module module = torch::jit::load(path.string());
  std::size_t parameters = 0;
  for (const auto& parameter : module.named_parameters()) {
    ASSERT_EQ(archive.tensors().count(parameter.name), 1U) << parameter.name;
    EXPECT_TRUE(archive.tensors().at(parameter.name).equal(parameter.value)) << parameter.name;
    ++parameters;
  }
  EXPECT_GT(parameters, 10U);
  EXPECT_EQ(archive.class_name(), module.type()->name()->qualifiedName());
  for (const auto& [name, tensor] : archive.tensors()) archive.release(tensor);
  for (const auto& parameter : module.named_parameters())
    EXPECT_TRUE(archive.tensors().at(parameter.name).equal(parameter.value));
}

TEST(MappedArchive, HoldsWhatTheLoadedModuleHolds) {
  for (const char* const name : {"llama-sdpa.pt", "gpt2-dict.pt", "gemma2-sdpa.pt",
           "nanogpt-script.pt", "sequential-script.pt"})
    expect_same(kTraces / name);
}

TEST(MappedArchive, ShowsTiedTensorsAtOnePlace) {
  const testing::TemporaryFolder folder;
  support::make_tied_tiny_decoder(2, 16, 40, 3).save((folder / "tied.pt").string());
  expect_same(folder / "tied.pt");
  const MappedArchive archive(folder / "tied.pt");
  EXPECT_EQ(archive.tensors().at("lm_head.weight").const_data_ptr(),
      archive.tensors().at("model.embed_tokens.weight").const_data_ptr());
}

TEST(MappedArchive, ReadsConstants) {
  const testing::TemporaryFolder folder;
  torch::jit::Module inner("__torch__.test.Inner");
  inner.register_attribute("heads", c10::IntType::get(), 4);
  inner.register_attribute("epsilon", c10::FloatType::get(), 0.5);
  torch::jit::Module outer("__torch__.test.Outer");
  outer.register_module("inner", inner);
  outer.register_attribute("angles", c10::ListType::ofFloats(), c10::List<double>({1.0, 2.5}));
  outer.register_parameter("weight", at::ones({2, 3}), false);
  outer.define("def forward(self, x):\n    return x + self.weight\n");
  outer.save((folder / "m.pt").string());
  const MappedArchive archive(folder / "m.pt");
  EXPECT_EQ(archive.class_name(), "__torch__.test.Outer");
  EXPECT_EQ(std::get<std::int64_t>(archive.constants().at("inner.heads")), 4);
  EXPECT_EQ(std::get<double>(archive.constants().at("inner.epsilon")), 0.5);
  EXPECT_EQ(std::get<std::vector<double>>(archive.constants().at("angles")),
      (std::vector<double>{1.0, 2.5}));
}

TEST(MappedArchive, RefusesTruncatedAndForeignFiles) {
  const testing::TemporaryFolder folder;
  const std::string whole = core::read_file(kTraces / "llama-sdpa.pt");
  for (std::size_t part = 0; part < 50; ++part) {
    std::ofstream(folder / "part.pt", std::ios::binary | std::ios::trunc)
        << whole.substr(0, whole.size() * part / 50);
    expect_error(ErrorKind::kBadModel, "part.pt", [&] { MappedArchive(folder / "part.pt"); });
  }
  expect_error(ErrorKind::kIo, "none.pt", [&] { MappedArchive(folder / "none.pt"); });
}

}  // namespace
}  // namespace salf::model
