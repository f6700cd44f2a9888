#include "data/tokenizer/tokenizer.h"

#include <utility>

#include "core/error.h"
#include "core/files.h"
#include "core/hash.h"
#include "core/log.h"
#include "data/rows/checked_json.h"
#include "data/tokenizer/pipeline.h"
#include "data/tokenizer/sentencepiece/sentencepiece_tokenizer.h"
#include "data/tokenizer/tokenizer_reader.h"

namespace salf::data {
namespace {

constexpr std::uint64_t kLargestFile = 1ULL << 28;

std::unique_ptr<Tokenizer> read_pipeline(
    const JsonView& root, const std::optional<JsonView>& config, std::string hash) {
  // truncation and padding are the caller's business, as in transformers.
  root.only_keys({"version", "truncation", "padding", "added_tokens", "normalizer", "pre_tokenizer",
      "post_processor", "decoder", "model"});
  SplitRules rules(root.find("pre_tokenizer"));
  std::unique_ptr<TokenModel> model = read_token_model(root.at("model"), rules.byte_level());
  TokenizerParts parts{Normalizer(root.find("normalizer")), std::move(rules), std::move(model),
      TokenDecoder(root.find("decoder")), {}};
  if (const auto added = root.find("added_tokens")) parts.added = read_added_tokens(*added);
  const auto read_special = [&](const IdLookup& id_of) {
    return read_special_ids(root.find("post_processor"), config, id_of);
  };
  return make_tokenizer(std::move(parts), read_special, std::move(hash));
}

char first_letter(const std::string& text) {
  const std::size_t at = text.find_first_not_of(" \t\r\n");
  return at == std::string::npos ? '\0' : text[at];
}

// Lines of "base64 number", as the files of Llama 3 and Qwen that are named tokenizer.model too.
bool is_tiktoken(const std::string& text) {
  const std::size_t space = text.find(' ');
  const std::size_t end = text.find('\n');
  if (space == std::string::npos || end == std::string::npos || space > end) return false;
  const std::string number = text.substr(space + 1, end - space - 1);
  return !number.empty() && number.find_first_not_of("0123456789") == std::string::npos &&
         text.find_first_of("=/+") < space;
}

// A SentencePiece model begins with one of its fields: pieces, trainer_spec, normalizer_spec, …
bool is_sentencepiece(const std::string& text) {
  const char letter = first_letter(text);
  return !text.empty() && letter != '{' && letter != '[' &&
         std::string("\x0A\x12\x1A\x22\x2A").find(text[0]) != std::string::npos;
}

}  // namespace

std::string decode_without_special(
    const Tokenizer& tokenizer, const std::vector<std::int64_t>& ids) {
  std::vector<std::int64_t> kept;
  for (const std::int64_t id : ids) {
    if (!tokenizer.is_special(id)) kept.push_back(id);
  }
  return tokenizer.decode(kept);
}

std::unique_ptr<Tokenizer> read_tokenizer(
    const NamedText& tokenizer, const std::optional<NamedText>& config) {
  if (is_tiktoken(tokenizer.text)) {
    throw Error(
        ErrorKind::kBadInput, tokenizer.name +
                                  ": a tiktoken file (base64 tokens) is not supported; use the "
                                  "model's tokenizer.json");
  }
  if (is_sentencepiece(tokenizer.text)) return read_sentencepiece_tokenizer(tokenizer, config);
  const PlainJson root = parse_checked(tokenizer.text, tokenizer.name);
  const JsonView view(root, tokenizer.name + ": ");
  const std::string hash = core::sha256(tokenizer.text);
  if (!config) return read_pipeline(view, std::nullopt, hash);
  const PlainJson config_root = parse_checked(config->text, config->name);
  return read_pipeline(view, JsonView(config_root, config->name + ": "), hash);
}

std::unique_ptr<Tokenizer> load_tokenizer(const std::filesystem::path& file) {
  const NamedText tokenizer{file.string(), core::read_file(file, kLargestFile)};
  const auto config_path = file.parent_path() / "tokenizer_config.json";
  std::optional<NamedText> config;
  if (std::filesystem::exists(config_path)) {
    config = NamedText{config_path.string(), core::read_file(config_path, kLargestFile)};
  }
  return read_tokenizer(tokenizer, config);
}

}  // namespace salf::data
