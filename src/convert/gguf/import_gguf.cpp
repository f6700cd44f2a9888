#include "convert/families/families.h"
#include "convert/gguf/gguf.h"
#include "convert/gguf/gguf_tokenizer.h"
#include "convert/gguf/gguf_weights.h"
#include "convert/gguf/stored_blocks_writer.h"
#include "convert/hugging_face/llama_config.h"
#include "convert/import/import_sources.h"
#include "core/error.h"
#include "core/hash.h"
#include "core/json.h"
#include "core/text.h"
#include "data/tokenizer/tokenizer_json.h"

namespace salf::convert {
namespace {

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

PreparedImport prepare(const GgufFile& file, const LlamaConfig& config) {
  PreparedImport import;
  import.result.warnings = check_llama_tensors(file, config);
  const data::GgufTokenizer tokenizer = read_gguf_tokenizer(file, config.vocabulary);
  data::TokenizerJson texts;
  try {
    texts = data::make_tokenizer_json(tokenizer);
  } catch (const Error& error) {
    refuse_gguf_tokenizer(file, error.what());
  }
  add_chat_template(file, texts.config, import.result);
  const core::Json json =
      hugging_face_config(config, {tokenizer.bos, tokenizer.eos, tokenizer.padding});
  if (!config.rope_divisors.empty() && json["rope_scaling"].is_null()) {
    import.result.warnings.emplace_back(
        "rope_freqs.weight is in model.pt, but config.json cannot say it: other tools that rebuild "
        "the model from "
        "config.json would rotate differently");
  }
  import.files = {{"tokenizer.json", std::move(texts.tokenizer)},
      {"tokenizer_config.json", std::move(texts.config)},
      { "config.json",
        core::format_json(json) }};
  import.decoder = {config, "model.layers", llama_program(config)};
  describe(config, import.result);
  import.result.tokens = static_cast<std::int64_t>(tokenizer.tokens.size());
  return import;
}

}  // namespace

ImportResult import_gguf_file(const std::filesystem::path& source,
    const std::filesystem::path& directory, core::Progress& progress, bool overwrite) {
  const GgufFile file(source);
  const LlamaConfig config = read_llama_config(file);
  PreparedImport import = prepare(file, config);
  import.source = source.filename().string();
  import.source_hash = [&source] { return core::sha256_file(source);
};
import.result.source_bytes = static_cast<std::int64_t>(std::filesystem::file_size(source));
const GgufWeights weights(file, config);
const StoredBlocksPlan stored = plan_stored_blocks(weights, import.decoder);
import.result.stored_bytes = static_cast<std::int64_t>(stored.bytes);
if (!stored.tensors.empty()) {
  import.write_stored = [&](const std::filesystem::path& path, const std::string& archive_hash) {
    write_stored_blocks(path, stored, weights, archive_hash);
};
}  // namespace salf::convert
return write_model(import, weights, directory, progress, overwrite);
}

}  // namespace salf::convert
