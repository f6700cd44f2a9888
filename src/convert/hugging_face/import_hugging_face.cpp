#include <algorithm>

#include "convert/families/families.h"
#include "convert/hugging_face/hf_config.h"
#include "convert/hugging_face/hf_weights.h"
#include "convert/import/import_sources.h"
#include "core/error.h"
#include "core/files.h"
#include "core/hash.h"
#include "core/json.h"
#include "core/log.h"
#include "core/text.h"
#include "data/tokenizer/tokenizer.h"
#include "model/model_directory.h"

namespace salf::convert {
namespace {

namespace fs = std::filesystem;

constexpr std::uint64_t kLargestText = 1ULL << 28U;

HfConfig read_config(const fs::path& directory, const HfWeights* weights) {
  const fs::path path = directory / kConfigFile;
  if (!fs::exists(path)) {
    throw Error(ErrorKind::kBadModel,
        core::printable_path(directory) +
            ": expected a Hugging Face directory with config.json, found none");
  }
  CheckpointFacts facts;
  if (weights != nullptr) facts = {weights->count(), weights->has_separate_head()};
  try {
    return {core::read_json_file(path), path, facts};
  } catch (const Error& error) {
    if (error.kind() != ErrorKind::kBadInput) throw;
    throw Error(ErrorKind::kBadModel, error.what());
  }
}

// Settings that no family supports, and those that only a program beside the files could explain.
void check_common(const HfConfig& config, const Family& family) {
  if (config.has("architectures")) {
    const std::vector<std::string> classes = config.texts("architectures");
    if (!classes.empty() &&
        std::find(classes.begin(), classes.end(), family.model_class) == classes.end()) {
      config.refuse("architectures", std::string("expected ") + family.model_class +
                                         ", a decoder with its head, got " +
                                         core::printable(core::join(classes, ", ")));
    }
  }
  for (const char* key : {"quantization_config", "compression_config"}) {
    if (config.has(key)) {
      config.refuse(key,
          "quantised weights are not read; take the model's original weights, or a GGUF "
          "file of it");
    }
  }
  config.expect_off("is_encoder_decoder");
  if (config.has("pruned_heads") && !config.object("pruned_heads").empty()) {
    config.refuse("pruned_heads", "pruned heads are not supported");
  }
}

void check_tokenizer(const fs::path& directory, PreparedImport& import) {
  for (const char* name : {"tokenizer.json", "tokenizer.model"}) {
    const fs::path path = directory / name;
    if (!fs::exists(path)) continue;
    try {
      import.result.tokens = data::load_tokenizer(path)->vocabulary_size();
    } catch (const Error& error) {
      import.result.warnings.push_back(
          std::string("the tokenizer was copied, but cannot be used: ") + error.what());
      return;
    }
    const std::int64_t rows = import.decoder.config.vocabulary;
    if (import.result.tokens <= rows) return;
    throw Error(ErrorKind::kBadModel,
        core::printable_path(path) + ": expected at most the " + std::to_string(rows) +
            " ids of the model's vocabulary, got " + std::to_string(import.result.tokens));
  }
  if (import.result.tokens == 0) {
    import.result.warnings.emplace_back(
        "there is no tokenizer.json and no tokenizer.model: the other commands will ask for "
        "--tokenizer FILE");
  }
}

std::string hash_of(const std::vector<fs::path>& files) {
  core::Sha256 all;
  for (const fs::path& file : files)
    all.update(file.filename().string() + " " + core::sha256_file(file) + "\n");
  return all.hex();
}

// "smollm2" also for "models/smollm2/" and ".".
std::string directory_name(const fs::path& directory) {
  const fs::path whole = fs::weakly_canonical(directory);
  return whole.filename().string();
}

}  // namespace

ImportResult import_directory(
    const fs::path& source, const fs::path& directory, core::Progress& progress, bool overwrite) {
  const Family& family = find_family(read_config(source, nullptr));
  HfWeights weights(source);
  weights.use_names_of(family);
  const HfConfig config = read_config(source, &weights);
  check_common(config, family);

  PreparedImport import;
  import.decoder = family.read(config);
  import.result.warnings = config.warnings();
  const std::vector<ExpectedTensor> tensors = planned_tensors(import.decoder.program);
  weights.check(tensors);
  for (const ExpectedTensor& tensor : tensors)
    import.dtypes.emplace(tensor.name, weights.dtype(tensor.name));
  if (weights.has_separate_head() && config.flag("tie_word_embeddings", false)) {
    import.result.warnings.emplace_back(
        "tie_word_embeddings is true, but lm_head.weight differs from the embedding: the head "
        "stays a tensor of its own");
  }
  check_tokenizer(source, import);
  describe(import.decoder.config, import.result);
  for (const std::string& name : model::side_files()) {
    if (fs::exists(source / name))
      import.files.push_back({name, core::read_file(source / name, kLargestText)});
  }
  import.source = directory_name(source);
  import.source_hash = [&source, &weights ] { std::vector<fs::path> files = weights.files();
  files.insert(files.begin(), source / kConfigFile);
  return hash_of(files);
};
import.result.source_bytes = static_cast<std::int64_t>(weights.bytes());
return write_model(import, weights, directory, progress, overwrite);
}  // namespace salf::convert

}  // namespace salf::convert
