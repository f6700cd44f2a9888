#include "convert/import/model_output.h"

#include <torch/csrc/jit/api/module.h>

#include <algorithm>

#include "convert/gguf/stored_blocks.h"
#include "convert/import/new_files.h"
#include "core/clock.h"
#include "core/error.h"
#include "core/files.h"
#include "core/hash.h"
#include "core/json.h"
#include "core/log.h"
#include "core/text.h"
#include "model/model_directory.h"
#include "model/script_model.h"

namespace salf::convert {
namespace {

constexpr const char* kCard = "salf.json";
constexpr const char* kArchive = "model.pt";

void remove_stale_files(const PreparedImport& import, const std::filesystem::path& directory) {
  for (const std::string& name : model::side_files()) {
    const bool written = std::any_of(import.files.begin(), import.files.end(),
        [&name](const TextFile& file) { return file.name == name; });
    std::error_code ignored;  // what cannot be removed was not there, or is seen when it is read
    if (!written) std::filesystem::remove(directory / name, ignored);
  }
  std::error_code ignored;
  if (!import.write_stored) std::filesystem::remove(directory / kStoredBlocks, ignored);
}

// The most frequent one, and the tensors that have another.
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

void write_files(const PreparedImport& import, const std::filesystem::path& directory,
    const model::ScriptModel& program) {
  NewFiles files(directory);
  for (const TextFile& file : import.files)
    core::write_file_atomically(files.add(file.name), file.bytes);
  const std::filesystem::path archive = files.add(kArchive);
  program.save(archive);
  model::ModelCard card;
  card.architecture = import.decoder.config.architecture;
  card.blocks = import.decoder.blocks_path;
  card.context = import.decoder.config.context;
  card.source = import.source;
  card.source_hash = import.source_hash();
  card.weights_hash = core::sha256_file(archive);
  note_dtypes(import.dtypes, card);
  if (import.write_stored) import.write_stored(files.add(kStoredBlocks), card.weights_hash);
  remove_stale_files(import, directory);
  core::write_document(files.add(kCard), card);
  files.finish();
}

}  // namespace

void describe(const DecoderConfig& config, ImportResult& result) {
  result.architecture = config.architecture;
  result.blocks = config.blocks;
  result.hidden = config.hidden;
  result.vocabulary = config.vocabulary;
  result.context = config.context;
  result.tied = config.tied;
}

ImportResult write_model(const PreparedImport& import, const WeightSource& weights,
    const std::filesystem::path& directory, core::Progress& progress, bool overwrite) {
  const core::Stopwatch watch;
  for (const std::string& warning : import.result.warnings)
    core::log_warning(import.source + ": " + warning);
  const core::OutputFolder folder(directory, kCard, overwrite);
  const model::ScriptModel program(
      build_module(import.decoder.program, import.decoder.config.architecture, weights, progress));
  ImportResult result = import.result;
  result.parameters = program.parameter_count();
  constexpr std::uint64_t kOtherFiles = 32ULL << 20U;  // tokenizer, code and headers of the archive
  core::check_room(folder.path(), static_cast<std::uint64_t>(result.parameters) * sizeof(float) +
                                      static_cast<std::uint64_t>(result.stored_bytes) +
                                      kOtherFiles);
  write_files(import, folder.path(), program);
  result.directory = directory.string();
  result.archive_bytes =
      static_cast<std::int64_t>(std::filesystem::file_size(folder.path() / kArchive));
  result.seconds = watch.seconds();
  return result;
}

}  // namespace salf::convert
