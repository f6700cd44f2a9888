#include <algorithm>

#include "convert/hugging_face/hf_weights.h"
#include "convert/import/model_output.h"
#include "core/files.h"
#include "core/hash.h"
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
  if (!fs::exists(path))
    refuse_model(directory, "expected a Hugging Face directory with config.json, found none");
  CheckpointFacts facts;
  if (weights != nullptr) facts = {weights->count(), weights->has_separate_head()};
  return {read_model_part([&] { return core::read_json_file(path); }), path, facts};
}

// Refuses settings that no family supports.
void check_common(const HfConfig& config, const Family& family, bool eight_bits) {
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
    if (config.has(key) && eight_bits) {
      config.ignore(key);  // the weights say it themselves
    } else if (config.has(key)) {
      config.refuse(key,
          "quantised weights are not read; take the model's original weights or a GGUF file of it");
    }
  }
  config.expect_off("is_encoder_decoder");
  if (config.has("pruned_heads") && !config.object("pruned_heads").empty()) {
    config.refuse("pruned_heads", "pruned heads are not supported");
  }
}

void check_tokenizer(const fs::path& directory, PreparedImport& prepared) {
  for (const char* name : {"tokenizer.json", "tokenizer.model"}) {
    const fs::path path = directory / name;
    if (!fs::exists(path)) continue;
    try {
      prepared.result.tokens = data::load_tokenizer(path)->vocabulary_size();
    } catch (const Error& error) {
      prepared.result.warnings.push_back(
          std::string("the tokenizer was copied, but cannot be used: ") + error.what());
      return;
    }
    const std::int64_t rows = prepared.decoder.config.vocabulary;
    if (prepared.result.tokens <= rows) return;
    prepared.result.warnings.push_back(core::printable_path(path) + ": has " +
                                       std::to_string(prepared.result.tokens) +
                                       " ids, and the model's vocabulary " + std::to_string(rows) +
                                       " rows; text that uses the ids beyond is refused");
    return;
  }
  if (prepared.result.tokens == 0) {
    prepared.result.warnings.emplace_back(
        "there is no tokenizer.json and no tokenizer.model: the other commands will ask for "
        "--tokenizer FILE");
  }
}

std::string without_quantization(const std::string& config) {
  core::Json json = core::parse_json(config, kConfigFile);
  json.erase("quantization_config");
  json.erase("compression_config");
  return core::format_json(json);
}

}  // namespace

std::optional<ImportResult> import_hugging_face(
    const fs::path& source, const fs::path& directory, core::Progress& progress, bool overwrite) {
  return run_unless_stopped(source, "building the model", [&] {
    const Family& family = find_family(read_config(source, nullptr));
    HfWeights weights(source);
    weights.use_names_of(family);
    const HfConfig config = read_config(source, &weights);
    check_common(config, family, weights.has_eight_bits());

    PreparedImport prepared;
    prepared.decoder = family.read(config);
    prepared.result.warnings = config.warnings();
    const std::vector<ExpectedTensor> tensors = planned_tensors(prepared.decoder.program);
    weights.check(tensors);
    for (const ExpectedTensor& tensor : tensors)
      prepared.dtypes.emplace(tensor.name, weights.dtype(tensor.name));
    if (weights.has_separate_head() && config.flag("tie_word_embeddings", false)) {
      prepared.result.warnings.emplace_back(
          "tie_word_embeddings is true, but lm_head.weight differs from the embedding: the head "
          "stays a tensor of its own");
    }
    check_tokenizer(source, prepared);
    for (const std::string& name : model::side_files()) {
      if (fs::exists(source / name))
        prepared.files[name] = core::read_file(source / name, kLargestText);
    }
    if (weights.has_eight_bits()) {
      prepared.result.warnings.emplace_back(
          "the weights are 8-bit floats with scales; they become float32, and config.json loses "
          "its "
          "quantization_config");
      prepared.files[kConfigFile] = without_quantization(prepared.files[kConfigFile]);
    }
    prepared.source = fs::weakly_canonical(source).filename().string();  // also for "models/x/"
    prepared.source_hash = [&source, &weights] {
      std::vector<fs::path> files = weights.files();
      files.insert(files.begin(), source / kConfigFile);
      return hash_of_files(files);
    };
    prepared.result.source_bytes = static_cast<std::int64_t>(weights.bytes());
    return write_model(prepared, weights, directory, progress, overwrite);
  });
}

}  // namespace salf::convert
