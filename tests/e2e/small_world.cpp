#include "small_world.h"

#include <torch/csrc/jit/serialization/import.h>

#include <fstream>
#include <iterator>
#include <utility>

#include "core/files.h"
#include "model/model_directory.h"
#include "support/tiny_model.h"

namespace salf::testing {
namespace {

constexpr int kBlocks = 4, kHidden = 32, kVocabulary = 640;

std::string rows() {
  const char* const things[] = {"kluge", "hack", "daemon", "patch", "core", "stack"};
  const char* const uses[] = {"holds", "breaks", "mends", "feeds", "hides"};
  std::string text;
  for (std::size_t i = 0; i < 150; ++i) {
    text += std::string(R"({"prompt": "What is )") + things[i % 6] + " " + std::to_string(i) +
            R"(?", "completion": " A thing that )" + uses[i % 5] + " the " + things[(i / 6) % 6] +
            ".\"}\n";
  }
  return text;
}

}  // namespace

void write_small_world(const std::filesystem::path& folder) {
  std::filesystem::create_directories(folder / "model");
  support::make_tied_tiny_decoder(kBlocks, kHidden, kVocabulary, 7)
      .save((folder / "model" / "model.pt").string());
  std::filesystem::copy_file(std::string(SALF_TEST_DATA) + "/tokenizer/smollm/tokenizer.json",
      folder / "model" / "tokenizer.json");
  model::ModelCard card;
  card.architecture = "llama";
  card.blocks = "model.layers";
  card.context = 128;
  core::write_document(folder / "model" / "salf.json", card);
  std::ofstream(folder / "rows.jsonl", std::ios::binary) << rows();
}

SmallWorld::SmallWorld() { write_small_world(folder_.path()); }

void SmallWorld::write_model(const std::string& archive, int vocabulary) const {
  support::make_tied_tiny_decoder(kBlocks, kHidden, vocabulary, 7)
      .save((folder_ / archive).string());
}

ProgramResult SmallWorld::salf(std::vector<std::string> arguments) const {
  return salf(std::move(arguments), {});
}

ProgramResult SmallWorld::salf(std::vector<std::string> arguments, ProgramSetting setting) const {
  setting.folder = folder_.path().string();
  return run_program(arguments, setting);
}

void SmallWorld::succeeds(std::vector<std::string> arguments) const {
  const ProgramResult result = salf(std::move(arguments));
  ASSERT_EQ(result.code, 0) << result.err;
}

std::string SmallWorld::text(const std::string& file) const {
  return core::read_file(folder_ / file);
}

void SmallWorld::write(const std::string& file, const std::string& text) const {
  std::ofstream(folder_ / file, std::ios::binary) << text;
}

void SmallWorld::fill_parameter(const std::string& name, double value) const {
  const std::string path = (folder_ / "model" / "model.pt").string();
  torch::jit::Module model = torch::jit::load(path);
  for (const auto& parameter : model.named_parameters()) {
    if (parameter.name == name) parameter.value.detach().fill_(value);
  }
  model.save(path);
}

std::map<std::string, std::string> SmallWorld::parameters(const std::string& archive) const {
  std::map<std::string, std::string> all;
  const torch::jit::Module model = torch::jit::load((folder_ / archive).string());
  for (const auto& parameter : model.named_parameters()) {
    const at::Tensor value = parameter.value.detach().contiguous();
    all[parameter.name].assign(static_cast<const char*>(value.const_data_ptr()), value.nbytes());
  }
  return all;
}

core::Json SmallWorld::json(const std::string& file) const {
  return core::read_json_file(folder_ / file);
}

}  // namespace salf::testing
