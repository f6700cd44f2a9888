#include "families.h"
#include "gguf_weights.h"
#include "import_sources.h"
#include "llama_config.h"
#include "salf/convert/gguf.h"
#include "salf/core/error.h"
#include "salf/core/hash.h"
#include "salf/core/json.h"
#include "salf/core/log.h"
#include "salf/data/tokenizer_json.h"

namespace salf::convert {
namespace {

[[noreturn]] void refuse_tokenizer(const GgufFile& file, const std::string& message) {
  throw Error(ErrorKind::kBadModel, file.path().string() + ": tokenizer: " + message);
}

void check_tokenizer_model(const GgufFile& file) {
  const std::string model = file.text("tokenizer.ggml.model").value_or("");
  if (model == "gpt2") return;
  const std::string wanted =
      "expected tokenizer.ggml.model 'gpt2' (byte-level BPE: Llama 3, SmolLM, Qwen2, Mistral "
      "Nemo), got ";
  if (model.empty()) refuse_tokenizer(file, wanted + "nothing");
  if (model == "llama")
    refuse_tokenizer(file, wanted + "'llama' (SentencePiece), which cannot be imported from GGUF");
  refuse_tokenizer(file, wanted + "'" + core::printable(model) + "'");
}

data::GgufTokenizer read_tokenizer(const GgufFile& file, std::int64_t vocabulary) {
  check_tokenizer_model(file);
  data::GgufTokenizer tokenizer;
  tokenizer.tokens = file.texts("tokenizer.ggml.tokens").value_or(std::vector<std::string>());
  const auto tokens = static_cast<std::int64_t>(tokenizer.tokens.size());
  if (tokens != vocabulary) {
    refuse_tokenizer(file, "expected one token for each of the " + std::to_string(vocabulary) +
                               " rows of the model's vocabulary, got " + std::to_string(tokens));
  }
  tokenizer.token_types =
      file.integers("tokenizer.ggml.token_type").value_or(std::vector<std::int64_t>());
  tokenizer.merges = file.texts("tokenizer.ggml.merges").value_or(std::vector<std::string>());
  tokenizer.pre = file.text("tokenizer.ggml.pre").value_or("default");
  tokenizer.bos = file.integer("tokenizer.ggml.bos_token_id");
  tokenizer.eos = file.integer("tokenizer.ggml.eos_token_id");
  tokenizer.padding = file.integer("tokenizer.ggml.padding_token_id");
  tokenizer.unknown = file.integer("tokenizer.ggml.unknown_token_id");
  tokenizer.add_bos = file.boolean("tokenizer.ggml.add_bos_token").value_or(false);
  return tokenizer;
}

PreparedImport prepare(const GgufFile& file, const LlamaConfig& config) {
  PreparedImport import;
  import.result.warnings = check_llama_tensors(file, config);
  const data::GgufTokenizer tokenizer = read_tokenizer(file, config.vocabulary);
  data::TokenizerJson texts;
  try {
    texts = data::make_tokenizer_json(tokenizer);
  } catch (const Error& error) {
    refuse_tokenizer(file, error.what());
  }
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
                              const std::filesystem::path& directory, core::Progress& progress,
                              bool overwrite) {
  const GgufFile file(source);
  const LlamaConfig config = read_llama_config(file);
  PreparedImport import = prepare(file, config);
  import.source = source.filename().string();
  import.source_hash = [&source] { return core::sha256_file(source);
};
import.result.source_bytes = static_cast<std::int64_t>(std::filesystem::file_size(source));
return write_model(import, GgufWeights(file, config), directory, progress, overwrite);
}  // namespace salf::convert

}  // namespace salf::convert
