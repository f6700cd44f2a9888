#include "model_output.h"

#include <torch/csrc/jit/api/module.h>

#include <algorithm>
#include <array>

#include "salf/core/clock.h"
#include "salf/core/error.h"
#include "salf/core/files.h"
#include "salf/core/hash.h"
#include "salf/core/json.h"
#include "salf/core/log.h"
#include "salf/core/text.h"
#include "salf/model/model_directory.h"
#include "salf/model/script_model.h"

namespace salf::convert {
namespace {

constexpr const char* kCard = "salf.json";
constexpr const char* kArchive = "model.pt";
// What an import may write beside model.pt.
constexpr std::array<const char*, 9> kTextFiles = {
    "added_tokens.json",      "chat_template.jinja", "chat_template.json",      "config.json",
    "generation_config.json", "tokenizer.json",      "special_tokens_map.json", "tokenizer.model",
    "tokenizer_config.json"};

// The files of the result, removed again unless all were written; those that were there before
// stay.
class NewFiles {
 public:
  explicit NewFiles(const std::filesystem::path& directory) : directory_(directory) {}
  ~NewFiles() {
    if (finished_) return;
    std::error_code ignored;
    for (const std::string& name : written_) std::filesystem::remove(directory_ / name, ignored);
  }
  NewFiles(const NewFiles&) = delete;
  NewFiles& operator=(const NewFiles&) = delete;

  std::filesystem::path add(const std::string& name) {
    std::filesystem::path path = directory_ / name;
    if (!std::filesystem::exists(path)) written_.push_back(name);
    return path;
  }
  void finish() { finished_ = true; }

 private:
  std::filesystem::path directory_;
  std::vector<std::string> written_;
  bool finished_ = false;
};

void check_disk(const std::filesystem::path& directory, std::int64_t parameters) {
  constexpr std::uint64_t kOtherFiles = 32ULL << 20U;  // tokenizer, code and headers of the archive
  const std::uint64_t needed = static_cast<std::uint64_t>(parameters) * sizeof(float) + kOtherFiles;
  const std::uint64_t free = core::free_disk_bytes(directory);
  if (free >= needed) return;
  throw Error(ErrorKind::kIo, directory.string() + ": not enough disk space: needed " +
                                  core::format_bytes(needed) + ", free " +
                                  core::format_bytes(free));
}

void remove_stale_files(const PreparedImport& import, const std::filesystem::path& directory) {
  for (const char* const name : kTextFiles) {
    const bool written = std::any_of(import.files.begin(), import.files.end(),
                                     [name](const TextFile& file) { return file.name == name; });
    std::error_code ignored;  // what cannot be removed was not there, or is seen when it is read
    if (!written) std::filesystem::remove(directory / name, ignored);
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
                         const std::filesystem::path& directory, core::Progress& progress,
                         bool overwrite) {
  const core::Stopwatch watch;
  for (const std::string& warning : import.result.warnings)
    core::log_warning(import.source + ": " + warning);
  const core::OutputFolder folder(directory, kCard, overwrite);
  const model::ScriptModel program(
      build_module(import.decoder.program, import.decoder.config.architecture, weights, progress));
  ImportResult result = import.result;
  result.parameters = program.parameter_count();
  check_disk(folder.path(), result.parameters);
  write_files(import, folder.path(), program);
  result.directory = directory.string();
  result.archive_bytes =
      static_cast<std::int64_t>(std::filesystem::file_size(folder.path() / kArchive));
  result.seconds = watch.seconds();
  return result;
}

}  // namespace salf::convert
