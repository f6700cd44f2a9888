#include "salf/convert/import.h"

#include <c10/util/Exception.h>
#include <torch/csrc/jit/api/module.h>
#include <torch/csrc/jit/frontend/error_report.h>

#include <new>

#include "gguf_tokenizer.h"
#include "llama_config.h"
#include "llama_module.h"
#include "salf/convert/gguf.h"
#include "salf/core/clock.h"
#include "salf/core/error.h"
#include "salf/core/files.h"
#include "salf/core/hash.h"
#include "salf/core/json.h"
#include "salf/core/log.h"
#include "salf/core/text.h"
#include "salf/data/tokenizer_json.h"
#include "salf/model/model_directory.h"
#include "salf/model/script_model.h"

namespace salf::convert {
namespace {

constexpr const char* kCard = "salf.json";
constexpr const char* kArchive = "model.pt";

// The files of the result, removed again unless all were written; those that were there before stay.
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

// The file's chat template, put where Hugging Face has it.
void add_chat_template(const GgufFile& file, std::string& tokenizer_config, ImportResult& result) {
  const auto text = file.text("tokenizer.chat_template");
  if (!text) return;
  if (core::invalid_utf8(*text)) {
    result.warnings.emplace_back("tokenizer.chat_template is not valid UTF-8 and was left out");
    return;
  }
  core::Json config = core::parse_json(tokenizer_config, "tokenizer_config.json");
  config["chat_template"] = *text;
  tokenizer_config = core::format_json(config);
}

// Everything that will be written, made and checked.
struct Import {
  LlamaConfig config;
  data::TokenizerJson tokenizer;
  core::Json hugging_face;
};

Import prepare(const GgufFile& file, ImportResult& result) {
  Import import;
  import.config = read_llama_config(file);
  result.warnings = check_llama_tensors(file, import.config);
  const data::GgufTokenizer tokenizer = read_gguf_tokenizer(file, import.config.vocabulary);
  try {
    import.tokenizer = data::make_tokenizer_json(tokenizer);
  } catch (const Error& error) {
    refuse_gguf_tokenizer(file, error.what());
  }
  add_chat_template(file, import.tokenizer.config, result);
  import.hugging_face = hugging_face_config(import.config, {tokenizer.bos, tokenizer.eos, tokenizer.padding});
  if (!import.config.rope_divisors.empty() && import.hugging_face["rope_scaling"].is_null()) {
    result.warnings.emplace_back(
        "rope_freqs.weight is in model.pt, but config.json cannot say it: other tools that rebuild the model from "
        "config.json would rotate differently");
  }
  result.architecture = import.config.architecture;
  result.blocks = import.config.blocks;
  result.hidden = import.config.hidden;
  result.vocabulary = import.config.vocabulary;
  result.context = import.config.context;
  result.tied = import.config.tied;
  result.tokens = static_cast<std::int64_t>(tokenizer.tokens.size());
  return import;
}

void check_disk(const std::filesystem::path& directory, std::int64_t parameters) {
  constexpr std::uint64_t kOtherFiles = 32ULL << 20U;  // tokenizer, code and headers of the archive
  const std::uint64_t needed = static_cast<std::uint64_t>(parameters) * sizeof(float) + kOtherFiles;
  const std::uint64_t free = core::free_disk_bytes(directory);
  if (free >= needed) return;
  throw Error(ErrorKind::kIo, directory.string() + ": not enough disk space: needed " +
                                  core::format_bytes(needed) + ", free " + core::format_bytes(free));
}

void write_directory(const GgufFile& file, const std::filesystem::path& directory, const Import& import,
                     const model::ScriptModel& program) {
  NewFiles files(directory);
  core::write_file_atomically(files.add("tokenizer.json"), import.tokenizer.tokenizer);
  core::write_file_atomically(files.add("tokenizer_config.json"), import.tokenizer.config);
  core::write_json_file(files.add("config.json"), import.hugging_face);
  const std::filesystem::path archive = files.add(kArchive);
  program.save(archive);
  model::ModelCard card;
  card.architecture = import.config.architecture;
  card.blocks = "model.layers";
  card.context = import.config.context;
  card.source = file.path().filename().string();
  card.source_hash = core::sha256_file(file.path());
  card.weights_hash = core::sha256_file(archive);
  core::write_document(files.add(kCard), card);
  files.finish();
}

ImportResult import_checked(const std::filesystem::path& source, const std::filesystem::path& directory,
                            core::Progress& progress, bool overwrite) {
  const core::Stopwatch watch;
  ImportResult result;
  const GgufFile file(source);
  const Import import = prepare(file, result);
  for (const std::string& warning : result.warnings) {
    core::log_warning(file.path().filename().string() + ": " + warning);
  }
  const core::OutputFolder folder(directory, kCard, overwrite);
  const model::ScriptModel program(make_llama_module(file, import.config, progress));
  result.parameters = program.parameter_count();
  check_disk(folder.path(), result.parameters);
  write_directory(file, folder.path(), import, program);
  result.directory = directory.string();
  result.source_bytes = static_cast<std::int64_t>(std::filesystem::file_size(source));
  result.archive_bytes = static_cast<std::int64_t>(std::filesystem::file_size(folder.path() / kArchive));
  result.seconds = watch.seconds();
  return result;
}

}  // namespace

ImportResult import_gguf(const std::filesystem::path& source, const std::filesystem::path& directory,
                         core::Progress& progress, bool overwrite) {
  try {
    return import_checked(source, directory, progress, overwrite);
  } catch (const c10::Error& error) {
    throw Error(ErrorKind::kInternal,
                source.string() + ": building the model failed: " + error.what_without_backtrace());
  } catch (const torch::jit::ErrorReport& error) {
    throw Error(ErrorKind::kInternal, source.string() + ": the program does not compile: " + error.what());
  } catch (const std::bad_alloc&) {
    throw Error(ErrorKind::kIo, source.string() + ": not enough memory for the model's float32 weights");
  }
}

}  // namespace salf::convert
