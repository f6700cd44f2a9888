#include "convert/gguf/gguf_tokenizer.h"

#include "core/error.h"
#include "core/log.h"

namespace salf::convert {
namespace {

data::GgufTokenizer::Kind read_kind(const GgufFile& file) {
  const std::string model = file.text("tokenizer.ggml.model").value_or("");
  if (model == "gpt2") return data::GgufTokenizer::Kind::kByteLevel;
  if (model == "llama") return data::GgufTokenizer::Kind::kSentencePiece;
  refuse_gguf_tokenizer(file,
      "expected tokenizer.ggml.model 'gpt2' (byte-level BPE: Llama 3, SmolLM, Qwen2, Mistral Nemo) "
      "or "
      "'llama' (SentencePiece: Llama 2, Mistral, Gemma), got " +
          (model.empty() ? std::string("nothing") : "'" + core::printable(model) + "'"));
}

}  // namespace

void refuse_gguf_tokenizer(const GgufFile& file, const std::string& message) {
  throw Error(ErrorKind::kBadModel, file.path().string() + ": tokenizer: " + message);
}

data::GgufTokenizer read_gguf_tokenizer(const GgufFile& file, std::int64_t vocabulary) {
  data::GgufTokenizer tokenizer;
  tokenizer.kind = read_kind(file);
  const bool sentencepiece = tokenizer.kind == data::GgufTokenizer::Kind::kSentencePiece;
  tokenizer.tokens = file.texts("tokenizer.ggml.tokens").value_or(std::vector<std::string>());
  const auto tokens = static_cast<std::int64_t>(tokenizer.tokens.size());
  if (tokens != vocabulary) {
    refuse_gguf_tokenizer(file, "expected one token for each of the " + std::to_string(vocabulary) +
                                    " rows of the model's vocabulary, got " +
                                    std::to_string(tokens));
  }
  tokenizer.token_types =
      file.integers("tokenizer.ggml.token_type").value_or(std::vector<std::int64_t>());
  tokenizer.merges = file.texts("tokenizer.ggml.merges").value_or(std::vector<std::string>());
  tokenizer.scores = file.numbers("tokenizer.ggml.scores").value_or(std::vector<double>());
  tokenizer.pre = file.text("tokenizer.ggml.pre").value_or("default");
  tokenizer.bos = file.integer("tokenizer.ggml.bos_token_id");
  tokenizer.eos = file.integer("tokenizer.ggml.eos_token_id");
  tokenizer.padding = file.integer("tokenizer.ggml.padding_token_id");
  tokenizer.unknown = file.integer("tokenizer.ggml.unknown_token_id");
  // llama.cpp's defaults.
  tokenizer.add_bos = file.boolean("tokenizer.ggml.add_bos_token")
                          .value_or(sentencepiece && tokenizer.bos.has_value());
  tokenizer.add_space_prefix = file.boolean("tokenizer.ggml.add_space_prefix").value_or(true);
  return tokenizer;
}

}  // namespace salf::convert
