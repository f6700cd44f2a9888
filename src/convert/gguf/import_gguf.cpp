#include "convert/gguf/gguf_weights.h"
#include "convert/gguf/stored_blocks.h"
#include "convert/import/model_output.h"
#include "core/hash.h"
#include "core/log.h"
#include "core/text.h"
#include "data/tokenizer/tokenizer_json.h"

namespace salf::convert {
namespace {

using core::Json;

data::GgufTokenizer::Kind read_kind(const GgufFile& file) {
  const std::string model = file.text("tokenizer.ggml.model").value_or("");
  if (model == "gpt2") return data::GgufTokenizer::Kind::kByteLevel;
  if (model == "llama") return data::GgufTokenizer::Kind::kSentencePiece;
  file.refuse(
      "tokenizer: expected tokenizer.ggml.model 'gpt2' (byte-level BPE: Llama 3, SmolLM, Qwen2, "
      "Mistral Nemo) "
      "or 'llama' (SentencePiece: Llama 2, Mistral, Gemma), got " +
      (model.empty() ? std::string("nothing") : "'" + core::printable(model) + "'"));
}

// The keys tokenizer.ggml.*, as they are. `vocabulary`: rows of the model's embedding. Refuses
// other kinds than BPE and another number of tokens.
data::GgufTokenizer read_tokenizer(const GgufFile& file, std::int64_t vocabulary) {
  data::GgufTokenizer tokenizer;
  tokenizer.kind = read_kind(file);
  const bool sentencepiece = tokenizer.kind == data::GgufTokenizer::Kind::kSentencePiece;
  tokenizer.tokens = file.list<std::string>("tokenizer.ggml.tokens");
  const auto tokens = static_cast<std::int64_t>(tokenizer.tokens.size());
  if (tokens != vocabulary) {
    file.refuse("tokenizer: expected one token for each of the " + std::to_string(vocabulary) +
                " rows of the model's vocabulary, got " + std::to_string(tokens));
  }
  tokenizer.token_types = file.list<std::int64_t>("tokenizer.ggml.token_type");
  tokenizer.merges = file.list<std::string>("tokenizer.ggml.merges");
  tokenizer.scores = file.list<double>("tokenizer.ggml.scores");
  tokenizer.pre = file.text("tokenizer.ggml.pre").value_or("default");
  tokenizer.bos = file.integer("tokenizer.ggml.bos_token_id");
  tokenizer.eos = file.integer("tokenizer.ggml.eos_token_id");
  tokenizer.padding = file.integer("tokenizer.ggml.padding_token_id");
  tokenizer.unknown = file.integer("tokenizer.ggml.unknown_token_id");
  // llama.cpp's defaults, where these are tokens of that kind.
  const auto or_default = [&](std::optional<std::int64_t>& id, std::size_t usual) {
    const bool control = usual < tokenizer.token_types.size() &&
                         (tokenizer.token_types[usual] == 2 || tokenizer.token_types[usual] == 3);
    if (!id && sentencepiece && control) id = static_cast<std::int64_t>(usual);
  };
  or_default(tokenizer.unknown, 0);
  or_default(tokenizer.bos, 1);
  or_default(tokenizer.eos, 2);
  const bool begins = sentencepiece || tokenizer.pre == "llama-bpe" || tokenizer.pre == "llama3" ||
                      tokenizer.pre == "llama-v3" || tokenizer.pre == "tekken";
  tokenizer.add_bos =
      file.boolean("tokenizer.ggml.add_bos_token").value_or(begins && tokenizer.bos.has_value());
  tokenizer.add_space_prefix = file.boolean("tokenizer.ggml.add_space_prefix").value_or(true);
  return tokenizer;
}

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

Json id_json(const std::optional<std::int64_t>& id) { return id ? Json(*id) : Json(); }

PreparedImport prepare(const GgufFile& file, const GgufDecoder& made) {
  PreparedImport prepared;
  prepared.result.warnings = made.warnings;
  const data::GgufTokenizer tokenizer = read_tokenizer(file, made.decoder.config.vocabulary);
  data::TokenizerJson texts;
  try {
    texts = data::make_tokenizer_json(tokenizer);
  } catch (const Error& error) {
    file.refuse(std::string("tokenizer: ") + error.what());
  }
  add_chat_template(file, texts.config, prepared.result);
  Json config = made.config;
  config["bos_token_id"] = id_json(tokenizer.bos);
  config["eos_token_id"] = id_json(tokenizer.eos);
  config["pad_token_id"] = id_json(tokenizer.padding);
  prepared.files = {{"tokenizer.json", std::move(texts.tokenizer)},
      {"tokenizer_config.json", std::move(texts.config)},
      {"config.json", core::format_json(config)}};
  prepared.decoder = made.decoder;
  prepared.result.tokens = static_cast<std::int64_t>(tokenizer.tokens.size());
  return prepared;
}

}  // namespace

std::optional<ImportResult> import_gguf(const std::filesystem::path& source,
    const std::filesystem::path& directory, core::Progress& progress, bool overwrite) {
  return run_unless_stopped(source, "building the model", [&] {
    const GgufFile file(source);
    const GgufDecoder made = read_gguf_decoder(file);
    PreparedImport prepared = prepare(file, made);
    prepared.source = source.filename().string();
    prepared.source_hash = [&file] {
      const auto& paths = file.paths();
      return paths.size() == 1 ? core::sha256_file(paths.front()) : hash_of_files(paths);
    };
    for (const std::filesystem::path& path : file.paths())
      prepared.result.source_bytes += static_cast<std::int64_t>(std::filesystem::file_size(path));
    const GgufWeights weights(file, made);
    const std::vector<tensor::TensorPlan> stored = plan_stored_blocks(weights, prepared.decoder);
    for (const tensor::TensorPlan& plan : stored)
      prepared.result.stored_bytes += plan.shape[0] * plan.shape[1];
    if (!stored.empty()) {
      prepared.write_stored = [&](const std::filesystem::path& path, const std::string& hash) {
        write_stored_blocks(path, stored, weights, hash);
      };
    }
    return write_model(prepared, weights, directory, progress, overwrite);
  });
}

}  // namespace salf::convert
