#include "data/tokenizer/tokenizer.h"

#include <utility>

#include "core/files.h"
#include "core/hash.h"
#include "data/bad_input.h"
#include "data/rows/checked_json.h"
#include "data/tokenizer/pipeline.h"
#include "data/tokenizer/sentencepiece/sentencepiece.h"
#include "data/tokenizer/side_files.h"

namespace salf::data {
namespace {

constexpr std::uint64_t kLargestFile = 1ULL << 28;

std::unique_ptr<Tokenizer> read_pipeline(const JsonView& root,
    const std::optional<JsonView>& config, std::optional<std::int64_t> end, std::string hash) {
  // The caller truncates and pads, as in transformers.
  root.only_keys({"version", "truncation", "padding", "added_tokens", "normalizer", "pre_tokenizer",
      "post_processor", "decoder", "model"});
  SplitRules rules(root.find("pre_tokenizer"));
  std::unique_ptr<TokenModel> model = read_token_model(root.at("model"), rules.byte_level());
  TokenizerParts parts{Normalizer(root.find("normalizer")), std::move(rules), std::move(model),
      TokenDecoder(root.find("decoder")), {}};
  if (const auto added = root.find("added_tokens")) parts.added = read_added_tokens(*added);
  if (config) add_config_tokens(*config, parts.model->vocabulary(), parts.added);
  const auto read_special = [&](const IdLookup& id_of) {
    SpecialIds ids = read_special_ids(root.find("post_processor"), config, id_of);
    if (config && config->value().contains("eos_token")) return ids;
    ids.end = config ? id_of(end_of_class(*config)) : std::nullopt;
    if (!ids.end) ids.end = end;
    return ids;
  };
  return make_tokenizer(std::move(parts), read_special, std::move(hash));
}

// Lines of "base64 number": the form of the tokenizer.model of Llama 3 and Qwen.
bool is_tiktoken(const std::string& text) {
  const std::size_t space = text.find(' ');
  const std::size_t end = text.find('\n');
  if (space == std::string::npos || end == std::string::npos || space > end) return false;
  const std::string number = text.substr(space + 1, end - space - 1);
  return !number.empty() && number.find_first_not_of("0123456789") == std::string::npos &&
         text.find_first_of("=/+") < space;
}

// A SentencePiece model begins with the tag of one of its fields. "\n{" may begin a JSON file too.
bool is_sentencepiece(const std::string& text) {
  const std::size_t at = text.find_first_not_of(" \t\r\n");
  const bool is_json = at != std::string::npos && (text[at] == '{' || text[at] == '[');
  return !text.empty() && !is_json &&
         std::string_view("\x0A\x12\x1A\x22\x2A").find(text[0]) != std::string_view::npos;
}

}  // namespace

std::unique_ptr<Tokenizer> read_tokenizer(const NamedText& tokenizer,
    const std::optional<NamedText>& config, std::optional<std::int64_t> end) {
  const auto& [name, text] = tokenizer;
  if (is_tiktoken(text)) {
    refuse(
        name, "a tiktoken file (base64 tokens) is not supported; use the model's tokenizer.json");
  }
  const bool sentencepiece = is_sentencepiece(text);
  const PlainJson root = sentencepiece ? PlainJson() : parse_checked(text, name);
  const PlainJson config_root = config ? parse_checked(config->text, config->name) : PlainJson();
  std::optional<JsonView> config_view;
  if (config) config_view.emplace(config_root, config->name + ": ");
  return sentencepiece
             ? read_sentencepiece(tokenizer, config_view)
             : read_pipeline(JsonView(root, name + ": "), config_view, end, core::sha256(text));
}

std::unique_ptr<Tokenizer> load_tokenizer(const std::filesystem::path& file) {
  const NamedText tokenizer{file.string(), core::read_file(file, kLargestFile)};
  const SideFiles beside = read_side_files(file.parent_path());
  return read_tokenizer(tokenizer, beside.config, beside.end);
}

}  // namespace salf::data
