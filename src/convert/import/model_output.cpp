#include "convert/import/model_output.h"

#include <torch/csrc/jit/api/module.h>

#include <algorithm>

#include "convert/gguf/stored_blocks.h"
#include "convert/hugging_face/hf_config.h"
#include "core/clock.h"
#include "core/files.h"
#include "core/hash.h"
#include "core/log.h"
#include "model/model_directory.h"
#include "model/script_model.h"

namespace salf::convert {
namespace {

constexpr const char* kCard = "salf.json";
constexpr const char* kArchive = "model.pt";

// The most frequent dtype, and the tensors that have another.
void note_dtypes(const std::map<std::string, std::string>& dtypes, model::ModelCard& card) {
  std::map<std::string, std::size_t> counts;
  for (const auto& [tensor, dtype] : dtypes) ++counts[dtype];
  const auto most = std::max_element(counts.begin(), counts.end(),
      [](const auto& a, const auto& b) { return a.second < b.second; });
  if (most == counts.end()) return;
  card.dtype = most->first;
  for (const auto& [tensor, dtype] : dtypes) {
    if (dtype != card.dtype) card.other_dtypes.push_back({tensor, dtype});
  }
}

void write_files(const PreparedImport& prepared, const std::filesystem::path& directory,
    const model::ScriptModel& program) {
  NewFiles files(directory);
  for (const auto& [name, text] : prepared.files)
    core::write_file_atomically(files.add(name), text);
  const std::filesystem::path archive = files.add(kArchive);
  program.save(archive);
  model::ModelCard card;
  card.architecture = prepared.decoder.config.architecture;
  card.blocks = prepared.decoder.blocks_path;
  card.context = prepared.decoder.config.context;
  card.source = prepared.source;
  card.source_hash = prepared.source_hash();
  card.weights_hash = core::sha256_file(archive);
  note_dtypes(prepared.dtypes, card);
  if (prepared.write_stored) prepared.write_stored(files.add(kStoredBlocks), card.weights_hash);
  std::vector<std::string> others = model::side_files();
  others.emplace_back(kStoredBlocks);
  files.remove_others(others);
  core::write_document(files.add(kCard), card);
  files.finish();
}

// As it will be held. Shapes are of a checked plan.
std::uint64_t float_bytes(const ExpectedTensor& tensor) {
  std::uint64_t bytes = sizeof(float);
  for (const std::int64_t size : tensor.shape) bytes *= static_cast<std::uint64_t>(size);
  return bytes;
}

}  // namespace

void check_memory(const PreparedImport& prepared, const core::UsableMemory& usable) {
  std::uint64_t all = 0, largest = 0;
  for (const ExpectedTensor& tensor : planned_tensors(prepared.decoder.program)) {
    const std::uint64_t bytes = float_bytes(tensor);
    all += bytes;
    largest = std::max(largest, bytes);
  }
  core::check_memory(prepared.source + ": importing it", all + largest, usable,
      "import it on a machine that has as much, and bring the model directory here");
}

ImportResult write_model(const PreparedImport& prepared, const WeightSource& weights,
    const std::filesystem::path& directory, core::Progress& progress, bool overwrite) {
  const core::Stopwatch watch;
  for (const std::string& warning : prepared.result.warnings)
    core::log_warning(prepared.source + ": " + warning);
  check_memory(prepared, core::usable_memory());
  const core::OutputFolder folder(directory, kCard, overwrite);
  const model::ScriptModel program(build_module(
      prepared.decoder.program, prepared.decoder.config.architecture, weights, progress));
  ImportResult result = prepared.result;
  const DecoderConfig& config = prepared.decoder.config;
  result.architecture = config.architecture;
  result.blocks = config.blocks;
  result.hidden = config.hidden;
  result.vocabulary = config.vocabulary;
  result.context = config.context;
  result.tied = config.tied;
  result.parameters = program.parameter_count();
  core::check_room(folder.path(), static_cast<std::uint64_t>(result.parameters) * sizeof(float) +
                                      static_cast<std::uint64_t>(result.stored_bytes) +
                                      kOtherBytes);
  write_files(prepared, folder.path(), program);
  result.directory = directory.string();
  result.archive_bytes =
      static_cast<std::int64_t>(std::filesystem::file_size(folder.path() / kArchive));
  result.seconds = watch.seconds();
  return result;
}

std::optional<ImportResult> import_model(const std::filesystem::path& source,
    const std::filesystem::path& directory, core::Progress& progress, bool overwrite) {
  const std::string shown = core::printable_path(source);
  if (!std::filesystem::exists(source))
    throw Error(ErrorKind::kIo, shown + ": no such file or directory");
  if (std::filesystem::is_directory(source))
    return import_hugging_face(source, directory, progress, overwrite);
  const std::string name = source.filename().string();
  if (source.extension() == ".safetensors" || name == kConfigFile || name == kWeightsIndex)
    throw Error(
        ErrorKind::kUsage, shown + ": give the directory that holds config.json and the weights");
  return import_gguf(source, directory, progress, overwrite);
}

}  // namespace salf::convert
