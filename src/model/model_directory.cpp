#include "model/model_directory.h"

#include "core/error.h"
#include "core/file_kind.h"
#include "core/files.h"
#include "core/json.h"
#include "core/log.h"

namespace salf::model {
namespace {

namespace fs = std::filesystem;

constexpr const char* kArchive = "model.pt";
constexpr const char* kTokenizer = "tokenizer.json";
constexpr const char* kSentencePiece = "tokenizer.model";
constexpr const char* kGeneration = "generation_config.json";
constexpr const char* kConfig = "config.json";
constexpr const char* kCard = "salf.json";
constexpr std::int64_t kLongestContext = 1'000'000'000;

fs::path if_exists(const fs::path& path) { return fs::is_regular_file(path) ? path : fs::path(); }

// As transformers does: tokenizer.json comes first.
fs::path tokenizer_of(const fs::path& folder) {
  const fs::path tokenizer = if_exists(folder / kTokenizer);
  return tokenizer.empty() ? if_exists(folder / kSentencePiece) : tokenizer;
}

// The name that a tokenizer has in a model directory, whatever its file is called: JSON begins with
// a brace.
const char* tokenizer_name(const std::string& content) {
  const std::size_t at = content.find_first_not_of(" \t\r\n");
  return at != std::string::npos && content[at] == '{' ? kTokenizer : kSentencePiece;
}

std::int64_t context_of_config(const fs::path& config) {
  const core::Json json = core::read_json_file(config);
  for (const char* key : {"max_position_embeddings", "n_positions"}) {
    const auto found = json.find(key);
    if (found == json.end()) continue;
    const auto context = found->is_number_integer() ? found->get<std::int64_t>() : 0;
    if (context < 1 || context > kLongestContext) {
      throw Error(ErrorKind::kBadModel,
          config.string() + ": " + key + ": expected a whole number from 1 to " +
              std::to_string(kLongestContext) + ", got " + found->dump());
    }
    return context;
  }
  return 0;
}

ModelCard read_card(const fs::path& path) {
  auto card = core::read_document<ModelCard>(path);
  if (card.context < 0 || card.context > kLongestContext) {
    throw Error(ErrorKind::kBadInput,
        path.string() + ": context: expected a whole number from 0 to " +
            std::to_string(kLongestContext) + ", got " + std::to_string(card.context));
  }
  return card;
}

void copy_if_there(const fs::path& from, const fs::path& to) {
  if (from.empty() || !fs::is_regular_file(from) || (fs::exists(to) && fs::equivalent(from, to)))
    return;
  core::write_file_atomically(to, core::read_file(from));
}

void check_archive(const fs::path& path) {
  const std::string begin = core::first_bytes(path);
  const std::string name = core::printable_path(path);
  if (core::is_lfs_pointer(begin)) core::throw_lfs_pointer(name);
  if (begin.substr(0, 4) == "GGUF") {
    throw Error(
        ErrorKind::kBadModel, name + ": is a GGUF file; salf import " + name +
                                  " -o DIR makes a model directory of it, which is given instead");
  }
  if (path.extension() == ".safetensors") {
    throw Error(ErrorKind::kBadModel,
        name +
            ": is a safetensors file; salf import makes a model directory of the Hugging Face "
            "directory that holds it, which is given instead");
  }
}

}  // namespace

ModelFiles find_model(const fs::path& path, const std::string& tokenizer) {
  if (!fs::exists(path)) throw Error(ErrorKind::kIo, path.string() + ": no such model");
  const bool is_folder = fs::is_directory(path);
  const fs::path folder = is_folder ? path : path.parent_path();
  ModelFiles files;
  files.archive = is_folder ? path / kArchive : path;
  if (!fs::is_regular_file(files.archive)) {
    throw Error(ErrorKind::kBadModel,
        path.string() + ": holds no " + kArchive +
            "; expected a model directory (salf import makes one), a run directory of "
            "salf train, or a TorchScript archive");
  }
  check_archive(files.archive);
  files.tokenizer = tokenizer.empty() ? tokenizer_of(folder) : fs::path(tokenizer);
  if (!tokenizer.empty() && !fs::is_regular_file(files.tokenizer)) {
    throw Error(ErrorKind::kIo, tokenizer + ": no such tokenizer file");
  }
  files.config = if_exists(folder / kConfig);
  if (const fs::path card = if_exists(folder / kCard); !card.empty()) {
    files.card = read_card(card);
  }
  if (files.card.context == 0 && !files.config.empty())
    files.card.context = context_of_config(files.config);
  return files;
}

const std::vector<std::string>& side_files() {
  static const std::vector<std::string> kNames = {kConfig, kGeneration, kTokenizer, kSentencePiece,
      "tokenizer_config.json", "special_tokens_map.json", "added_tokens.json",
      "chat_template.jinja", "chat_template.json"};
  return kNames;
}

void write_model_files(const fs::path& directory, const ModelFiles& from, const ModelCard& card) {
  if (!from.tokenizer.empty()) {
    for (const std::string& name : side_files()) {
      const bool tokenizer = name == kTokenizer || name == kSentencePiece;
      if (!tokenizer && name != kConfig && name != kGeneration)
        copy_if_there(from.tokenizer.parent_path() / name, directory / name);
    }
    copy_if_there(from.tokenizer, directory / tokenizer_name(core::read_file(from.tokenizer)));
  }
  copy_if_there(from.config, directory / kConfig);
  if (!from.config.empty())
    copy_if_there(from.config.parent_path() / kGeneration, directory / kGeneration);
  core::write_document(directory / kCard, card);
}

}  // namespace salf::model
