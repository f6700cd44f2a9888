// Export to Hugging Face and TorchScript, and what it refuses: the golden directories of every
// family come back bit for bit.
#include "convert/export/export.h"

#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <torch/csrc/jit/api/module.h>
#include <torch/csrc/jit/serialization/import.h>

#include <cstring>
#include <fstream>
#include <map>

#include "core/files.h"
#include "core/hash.h"
#include "core/signals.h"
#include "hf_directory.h"
#include "model/model_directory.h"
#include "model/scan/mapped_archive.h"
#include "support/expect_error.h"

namespace salf::convert {
namespace {

namespace fs = std::filesystem;
using ::testing::ElementsAre;
using testing::expect_error;
using ::testing::HasSubstr;

using TensorsByName = std::map<std::string, at::Tensor>;

// Of all shards.
TensorsByName read_folder(const fs::path& folder) {
  TensorsByName tensors;
  for (const auto& file : fs::directory_iterator(folder)) {
    if (file.path().extension() != ".safetensors" ||
        file.path().filename() == "expected.safetensors")
      continue;
    for (const auto& named : tensor::read_tensor_file(file.path()).tensors)
      tensors.emplace(named.name, named.tensor);
  }
  return tensors;
}

bool same_bytes(const at::Tensor& a, const at::Tensor& b) {
  return a.scalar_type() == b.scalar_type() && a.sizes() == b.sizes() &&
         std::memcmp(a.const_data_ptr(), b.const_data_ptr(), a.nbytes()) == 0;
}

void expect_same(const TensorsByName& a, const TensorsByName& b) {
  ASSERT_EQ(a.size(), b.size());
  for (const auto& [name, tensor] : a) {
    ASSERT_EQ(b.count(name), 1U) << name;
    EXPECT_TRUE(same_bytes(tensor, b.at(name))) << name;
  }
}

ExportResult to_hf(const fs::path& source, const fs::path& folder,
    const HfExportOptions& options = {}, bool overwrite = false) {
  core::Progress progress;
  return export_hugging_face(source, folder, options, progress, overwrite).value();
}

ExportResult to_torchscript(const fs::path& source, const fs::path& file, bool overwrite = false) {
  core::Progress progress;
  return export_torchscript(source, file, false, progress, overwrite).value();
}

class ExportedFamily : public ::testing::TestWithParam<const char*> {};

TEST_P(ExportedFamily, IsTheImportedDirectoryAgain) {
  const testing::TemporaryFolder folder;
  const fs::path golden = golden_directory(GetParam());
  import_directory_quietly(golden, folder / "model");
  const ExportResult result = to_hf(folder / "model", folder / "hf");
  expect_same(read_folder(golden), read_folder(folder / "hf"));
  EXPECT_EQ(core::read_json_file(folder / "hf/config.json"),
      core::read_json_file(golden / "config.json"));
  EXPECT_EQ(result.warnings.size(), 1U) << "only the missing tokenizer is worth a warning";
  // And the model directory is what it was, in float32.
  import_directory_quietly(folder / "hf", folder / "again");
  EXPECT_EQ(
      core::sha256_file(folder / "again/model.pt"), core::sha256_file(folder / "model/model.pt"));
}

INSTANTIATE_TEST_SUITE_P(Golden, ExportedFamily,
    ::testing::Values("llama", "llama_biased", "smollm2", "mistral", "qwen2", "qwen2_window",
        "qwen3", "gemma2", "gemma2_uncapped", "phi3", "phi3_longrope", "olmo2", "gpt2",
        "gpt2_variant", "gemma3", "smollm3", "granite", "olmo3"),
    [](const auto& family) { return std::string(family.param); });

class Export : public ::testing::Test {
 protected:
  // A golden directory, imported.
  fs::path imported(const std::string& family) const {
    const fs::path model = folder_ / family;
    import_directory_quietly(golden_directory(family), model);
    return model;
  }

  // Changes one weight as training would.
  void tune(const fs::path& model, const std::string& name) const {
    torch::jit::Module module = torch::jit::load((model / "model.pt").string());
    for (const auto& parameter : module.named_parameters()) {
      if (parameter.name == name) parameter.value.detach().add_(0.01);
    }
    module.save((model / "model.pt").string());
  }

  void expect_refused(const fs::path& source, ErrorKind kind, const std::string& message) const {
    expect_error(kind, message, [&] { to_hf(source, folder_ / "out"); });
    EXPECT_FALSE(fs::exists(folder_ / "out/config.json"));
    EXPECT_FALSE(fs::exists(folder_ / "out/model.safetensors"));
  }

  testing::TemporaryFolder folder_;
};

TEST_F(Export, WritesUntouchedTensorsWithTheSourcesBytes) {
  const fs::path model = imported("smollm2");
  const std::string tuned = "model.layers.1.mlp.up_proj.weight";
  tune(model, tuned);
  const ExportResult result = to_hf(model, folder_ / "hf");
  EXPECT_THAT(result.dtypes, ElementsAre("BF16"));
  const TensorsByName before = read_folder(golden_directory("smollm2"));
  for (const auto& [name, tensor] : read_folder(folder_ / "hf")) {
    EXPECT_EQ(same_bytes(tensor, before.at(name)), name != tuned) << name;
    EXPECT_EQ(tensor.scalar_type(), c10::kBFloat16);
  }
  const at::Tensor expected = (before.at(tuned).to(c10::kFloat) + 0.01).to(c10::kBFloat16);
  EXPECT_TRUE(read_folder(folder_ / "hf").at(tuned).equal(expected));
}

TEST_F(Export, KeepsTheDtypeOfEachTensor) {
  HfDirectory source("smollm2");
  source.tensors([](std::vector<tensor::NamedTensor>& tensors) {
    for (auto& named : tensors) {
      if (named.name == "model.norm.weight") named.tensor = named.tensor.to(c10::kFloat) + 0x1p-20;
      if (named.name == "model.layers.0.mlp.up_proj.weight")
        named.tensor = named.tensor.to(c10::kHalf);
    }
  });
  import_directory_quietly(source.path(), source.output());
  const ExportResult result = to_hf(source.output(), folder_ / "hf");
  EXPECT_THAT(result.dtypes, ElementsAre("BF16", "F16", "F32"));
  expect_same(read_folder(source.path()), read_folder(folder_ / "hf"));
}

TEST_F(Export, WritesTheDtypeThatIsAskedFor) {
  const fs::path model = imported("smollm2");
  const TensorsByName before = read_folder(golden_directory("smollm2"));
  const std::map<HfDtype, std::pair<c10::ScalarType, std::string>> dtypes = {
      {HfDtype::kF32, {c10::kFloat, "float32"}}, {HfDtype::kF16, {c10::kHalf, "float16"}},
      {HfDtype::kBF16, {c10::kBFloat16, "bfloat16"}}};
  for (const auto& [dtype, expected] : dtypes) {
    HfExportOptions options;
    options.dtype = dtype;
    to_hf(model, folder_ / "hf", options, true);
    for (const auto& [name, tensor] : read_folder(folder_ / "hf"))
      EXPECT_TRUE(same_bytes(tensor, before.at(name).to(expected.first))) << name;
    EXPECT_EQ(core::read_json_file(folder_ / "hf/config.json")["dtype"], expected.second);
  }
}

TEST_F(Export, SaysTheDtypeUnderTheNameThatTheFileHas) {
  HfDirectory source("smollm2");
  source.config([](core::Json& json) {
    json.erase("dtype");
    json["torch_dtype"] = "bfloat16";
  });
  import_directory_quietly(source.path(), source.output());
  HfExportOptions options;
  options.dtype = HfDtype::kF16;
  to_hf(source.output(), folder_ / "hf", options);
  const core::Json config = core::read_json_file(folder_ / "hf/config.json");
  EXPECT_EQ(config["torch_dtype"], "float16");
  EXPECT_FALSE(config.contains("dtype"));
}

TEST_F(Export, SplitsIntoShardsAndRemovesThemAgain) {
  const fs::path model = imported("mistral");
  HfExportOptions options;
  options.shard_bytes = 5000;
  const ExportResult result = to_hf(model, folder_ / "hf", options);
  const core::Json index = core::read_json_file(folder_ / "hf/model.safetensors.index.json");
  EXPECT_EQ(index["metadata"]["total_size"], result.bytes);
  EXPECT_EQ(index["weight_map"].size(), static_cast<std::size_t>(result.tensors));
  EXPECT_TRUE(fs::exists(folder_ / "hf/model-00001-of-00006.safetensors"));
  for (const auto& item : index["weight_map"].items())
    EXPECT_TRUE(fs::exists(folder_ / "hf" / item.value().get<std::string>()));
  expect_same(read_folder(golden_directory("mistral")), read_folder(folder_ / "hf"));
  import_directory_quietly(folder_ / "hf", folder_ / "again");

  to_hf(model, folder_ / "hf", {}, true);
  EXPECT_FALSE(fs::exists(folder_ / "hf/model.safetensors.index.json"));
  EXPECT_FALSE(fs::exists(folder_ / "hf/model-00001-of-00006.safetensors"));
  expect_same(read_folder(golden_directory("mistral")), read_folder(folder_ / "hf"));
}

TEST_F(Export, SaysThatAnUntiedHeadIsUntied) {
  const fs::path model = imported("qwen2_window");
  core::Json config = core::read_json_file(model / "config.json");
  config["tie_word_embeddings"] =
      true;  // as the source's config.json may say of a checkpoint whose head differs
  core::write_json_file(model / "config.json", config);
  to_hf(model, folder_ / "hf");
  EXPECT_EQ(core::read_json_file(folder_ / "hf/config.json")["tie_word_embeddings"], false);
  EXPECT_EQ(read_folder(folder_ / "hf").count("lm_head.weight"), 1U);
}

TEST_F(Export, TakesTheOtherFilesAlong) {
  const fs::path model = imported("llama");
  const std::vector<std::string> names = {
      "generation_config.json", "special_tokens_map.json", "chat_template.jinja"};
  for (const std::string& name : names)
    core::write_file_atomically(model / name, "{\"of\": \"" + name + "\"}");
  core::write_file_atomically(model / "diary.txt", "private");
  to_hf(model, folder_ / "hf");
  for (const std::string& name : names)
    EXPECT_EQ(core::read_file(folder_ / "hf" / name), core::read_file(model / name));
  EXPECT_FALSE(fs::exists(folder_ / "hf/diary.txt"));
  EXPECT_FALSE(fs::exists(folder_ / "hf/salf.json"));
}

TEST_F(Export, ReplacesItsOwnWorkOnly) {
  const fs::path model = imported("llama");
  to_hf(model, folder_ / "hf");
  expect_error(ErrorKind::kUsage, "--force", [&] { to_hf(model, folder_ / "hf"); });
  expect_error(ErrorKind::kUsage, "holds other files", [&] { to_hf(model, model, {}, true); });
  fs::create_directory(folder_ / "other");
  fs::copy(golden_directory("llama"), folder_ / "other");
  expect_error(
      ErrorKind::kUsage, "holds other files", [&] { to_hf(model, folder_ / "other", {}, true); });
  EXPECT_TRUE(fs::exists(folder_ / "other/expected.safetensors"));
}

TEST_F(Export, RefusesWhatWasNotImported) {
  const fs::path traces = fs::path(SALF_TEST_DATA) / "traces";
  fs::create_directory(folder_ / "trace");
  fs::copy_file(traces / "llama-sdpa.pt", folder_ / "trace/model.pt");
  expect_refused(folder_ / "trace", ErrorKind::kBadModel, "there is no config.json");
  expect_refused(folder_ / "trace/model.pt", ErrorKind::kBadModel, "--to torchscript");
  fs::copy_file(golden_directory("llama") / "config.json", folder_ / "trace/config.json");
  expect_refused(folder_ / "trace", ErrorKind::kBadModel, "is not one that salf import writes");
  to_torchscript(folder_ / "trace", folder_ / "copy.pt");
  EXPECT_EQ(core::read_file(folder_ / "copy.pt"), core::read_file(traces / "llama-sdpa.pt"));
  expect_refused(folder_ / "nowhere", ErrorKind::kIo, "no such model");
}

TEST_F(Export, RefusesAConfigOfAnotherModel) {
  const fs::path model = imported("llama");
  const core::Json good = core::read_json_file(model / "config.json");
  const auto with = [&](const std::string& key, const core::Json& value,
                        const std::string& message) {
    core::Json json = good;
    json[key] = value;
    core::write_json_file(model / "config.json", json);
    expect_refused(model, ErrorKind::kBadModel, message);
  };
  with("intermediate_size", 32,
      "'model.layers.0.mlp.gate_proj.weight': expected [32, 16], got [24, 16]");
  with("num_hidden_layers", 1, "tensor 'model.layers.1.input_layernorm.weight' is not part of it");
  with("num_hidden_layers", 3, "tensor 'model.layers.2.self_attn.q_proj.weight' is missing");
  with("rms_norm_eps", 1e-6, "the constant model.layers.0.input_layernorm.epsilon is another one");
  with("rope_parameters", {{"rope_type", "default"}, {"rope_theta", 500.0}},
      "model.rotary_frequencies is another one");
  with("model_type", "mistral", "model_type is mistral, but model.pt holds __torch__.salf.llama.");
  with("model_type", "mamba", "model_type");
  core::write_file_atomically(model / "config.json", "{\"model_type\": ");
  expect_refused(model, ErrorKind::kBadModel, "not valid JSON");
}

TEST_F(Export, RefusesATensorThatIsNotStoredWhole) {
  const fs::path model = imported("llama");
  torch::jit::Module module = torch::jit::load((model / "model.pt").string());
  torch::jit::Module norm = module.attr("model").toModule().attr("norm").toModule();
  norm.setattr("weight", at::ones({1}).expand({16}));
  module.save((model / "model.pt").string());
  expect_refused(model, ErrorKind::kBadModel,
      "tensor 'model.norm.weight' is larger than what is stored of it");
}

TEST_F(Export, RefusesADtypeThatItDoesNotKnow) {
  const fs::path model = imported("llama");
  auto card = core::read_document<model::ModelCard>(model / "salf.json");
  EXPECT_EQ(card.dtype, "F32");
  card.dtype = "F8_E4M3";
  core::write_document(model / "salf.json", card);
  expect_refused(
      model, ErrorKind::kBadModel, "salf.json: dtype: expected F32, F16 or BF16, got 'F8_E4M3'");
}

TEST_F(Export, RefusesATruncatedArchive) {
  const fs::path model = imported("smollm2");
  const std::string whole = core::read_file(model / "model.pt");
  fs::remove(model / "model.pt");
  for (std::size_t part = 0; part < 40; ++part) {
    std::ofstream(model / "model.pt", std::ios::binary)
        << whole.substr(0, whole.size() * part / 40);
    expect_refused(model, ErrorKind::kBadModel, "model.pt");
    expect_error(
        ErrorKind::kBadModel, "model.pt", [&] { to_torchscript(model, folder_ / "copy.pt"); });
    EXPECT_FALSE(fs::exists(folder_ / "copy.pt"));
  }
}

TEST_F(Export, StopsWhenASignalAsksForIt) {
  const fs::path model = imported("llama");
  core::Progress progress;
  core::set_stop_signal(2);
  EXPECT_FALSE(export_hugging_face(model, folder_ / "hf", {}, progress).has_value());
  EXPECT_FALSE(export_torchscript(model, folder_ / "copy.pt", false, progress).has_value());
  core::set_stop_signal(0);
  EXPECT_TRUE(fs::is_empty(folder_ / "hf"));
  EXPECT_FALSE(fs::exists(folder_ / "copy.pt"));
  to_hf(model, folder_ / "hf");
}

TEST_F(Export, CopiesArchivesAndSaysWhatTheyTake) {
  const fs::path model = imported("llama");
  const ExportResult result = to_torchscript(model, folder_ / "new/copy.pt");
  EXPECT_EQ(core::read_file(folder_ / "new/copy.pt"), core::read_file(model / "model.pt"));
  EXPECT_THAT(result.note, HasSubstr("attention_mask [B, T] or None"));
  expect_error(
      ErrorKind::kUsage, "--force", [&] { to_torchscript(model, folder_ / "new/copy.pt"); });
  to_torchscript(model, folder_ / "new/copy.pt", true);
  expect_error(ErrorKind::kUsage, "is the model itself",
      [&] { to_torchscript(model, model / "model.pt", true); });
  expect_error(ErrorKind::kUsage, "holds something else",
      [&] { to_torchscript(model, model / "config.json", true); });
  expect_error(ErrorKind::kUsage, "is a folder", [&] { to_torchscript(model, folder_ / "new"); });
  expect_error(ErrorKind::kIo, "", [&] { to_torchscript(model, "/proc/nowhere/copy.pt"); });
}

// A trace of tools/trace-hf: salf.json says where each tensor is in the safetensors files.
TEST_F(Export, TracesGoBackByTheirNames) {
  const fs::path model = imported("smollm2");
  auto card = core::read_document<model::ModelCard>(model / "salf.json");
  for (const auto& [name, tensor] : read_folder(golden_directory("smollm2")))
    card.names.push_back({name, "other." + name});
  core::write_document(model / "salf.json", card);
  core::Json config = core::read_json_file(model / "config.json");
  config["model_type"] = "unheard-of";
  core::write_json_file(model / "config.json", config);
  to_hf(model, folder_ / "hf");
  TensorsByName expected;
  for (const auto& [name, tensor] : read_folder(golden_directory("smollm2")))
    expected.emplace("other." + name, tensor);
  expect_same(read_folder(folder_ / "hf"), expected);
  EXPECT_EQ(core::read_json_file(folder_ / "hf/config.json"), config);

  card.names.push_back({"model.more.weight", "more"});
  core::write_document(model / "salf.json", card);
  expect_error(ErrorKind::kBadModel, "'model.more.weight' is missing",
      [&] { to_hf(model, folder_ / "again"); });
}

}  // namespace
}  // namespace salf::convert
