#include "data/tokenizer/side_files.h"

#include <algorithm>
#include <map>
#include <set>
#include <system_error>

#include "core/files.h"
#include "core/log.h"
#include "data/bad_input.h"
#include "data/tokenizer/token_model.h"

namespace salf::data {
namespace {

namespace fs = std::filesystem;

constexpr std::uint64_t kLargestFile = 1ULL << 28;
constexpr const char* kSpecialKeys[] = {
    "bos_token", "eos_token", "unk_token", "sep_token", "pad_token", "cls_token", "mask_token"};
constexpr const char* kExtraKeys[] = {"additional_special_tokens", "extra_special_tokens"};

// An object, or nothing if the file is not there.
std::optional<PlainJson> read_object(const fs::path& path) {
  std::error_code failure;
  if (!fs::is_regular_file(path, failure)) return std::nullopt;
  const std::string name = core::printable_path(path);
  PlainJson root = parse_checked(core::read_file(path, kLargestFile), name);
  JsonView(root, name + ": ").object();
  return root;
}

std::optional<std::int64_t> end_of(const PlainJson& config) {
  constexpr std::int64_t kMost = 1LL << 31;
  const auto found = config.find("eos_token_id");
  if (found == config.end()) return std::nullopt;
  const PlainJson& id = found->is_array() && !found->empty() ? found->front() : *found;
  if (!id.is_number_unsigned() || id.get<std::uint64_t>() >= kMost) return std::nullopt;
  return id.get<std::int64_t>();
}

// The text of a token given as a string or an object with "content"; "" for others.
std::string content_of(const PlainJson& token) {
  if (token.is_string()) return token.get<std::string>();
  const auto content = token.is_object() ? token.find("content") : token.end();
  return content != token.end() && content->is_string() ? content->get<std::string>() : "";
}

// The texts of a list, or of an object's values.
std::vector<std::string> extra_tokens(const PlainJson& config) {
  std::vector<std::string> texts;
  for (const char* key : kExtraKeys) {
    const auto list = config.find(key);
    if (list == config.end() || !list->is_structured()) continue;
    for (const PlainJson& token : *list) texts.push_back(content_of(token));
  }
  return texts;
}

std::set<std::string> special_texts_of(const PlainJson& config) {
  const std::vector<std::string> extra = extra_tokens(config);
  std::set<std::string> texts(extra.begin(), extra.end());
  for (const char* key : kSpecialKeys) {
    if (config.contains(key)) texts.insert(content_of(config[key]));
  }
  return texts;
}

void add_names(PlainJson& config, const PlainJson& map) {
  for (const auto& [key, value] : map.items()) {
    if (!config.contains(key)) config[key] = value;
  }
}

// {"token": id} of added_tokens.json as added_tokens_decoder.
void add_decoder(PlainJson& config, const PlainJson& added) {
  PlainJson& decoder = config["added_tokens_decoder"];
  if (!decoder.is_object()) decoder = PlainJson::object();
  std::set<std::string> known;
  for (const PlainJson& token : decoder) known.insert(content_of(token));
  const std::set<std::string> special = special_texts_of(config);
  for (const auto& [content, id] : added.items()) {
    const std::string key = id.dump();
    if (!id.is_number_unsigned() || decoder.contains(key) || known.count(content) > 0) continue;
    decoder[key] = {
        {"content", content}, {"normalized", false}, {"special", special.count(content) > 0}};
  }
}

bool has_content(const std::vector<AddedToken>& added, const std::string& content) {
  return std::any_of(added.begin(), added.end(),
      [&](const AddedToken& token) { return token.content == content; });
}

AddedToken special_token(const std::string& content, std::int64_t id, const std::string& where) {
  AddedToken token;
  token.id = id;
  token.content = content;
  token.special = true;
  token.where = where;
  return token;
}

}  // namespace

SideFiles read_side_files(const fs::path& folder) {
  SideFiles files;
  std::optional<PlainJson> config = read_object(folder / "tokenizer_config.json");
  if (const auto map = read_object(folder / "special_tokens_map.json")) {
    if (!config) config = PlainJson::object();
    add_names(*config, *map);
  }
  if (const auto added = read_object(folder / "added_tokens.json")) {
    if (!config) config = PlainJson::object();
    add_decoder(*config, *added);
  }
  if (config) files.config = NamedText{(folder / "tokenizer_config.json").string(), config->dump()};
  for (const char* name : {"generation_config.json", "config.json"}) {
    const auto other = files.end ? std::nullopt : read_object(folder / name);
    if (other) files.end = end_of(*other);
  }
  return files;
}

std::vector<std::int64_t> read_end_ids(const fs::path& folder) {
  std::vector<std::int64_t> ids;
  for (const char* name : {"generation_config.json", "config.json"}) {
    const auto json = ids.empty() ? read_object(folder / name) : std::nullopt;
    const auto given = json ? json->find("eos_token_id") : PlainJson::const_iterator();
    if (!json || given == json->end()) continue;
    for (const PlainJson& id : given->is_array() ? *given : PlainJson::array({*given})) {
      if (id.is_number_integer()) ids.push_back(id.get<std::int64_t>());
    }
  }
  return ids;
}

std::string end_of_class(const JsonView& config) {
  struct Class {
    const char* name;
    const char* end;
  };
  constexpr Class kClasses[] = {{"GPT2Tokenizer", "<|endoftext|>"},
      {"Qwen2Tokenizer", "<|endoftext|>"}, {"GPTNeoXTokenizer", "<|endoftext|>"},
      {"CodeGenTokenizer", "<|endoftext|>"}, {"LlamaTokenizer", "</s>"},
      {"GemmaTokenizer", "<eos>"}, {"CohereTokenizer", "<|END_OF_TURN_TOKEN|>"}};
  const auto given = config.value().find("tokenizer_class");
  if (given == config.value().end() || !given->is_string()) return "";
  for (const Class& known : kClasses) {
    const std::string name = known.name;
    if (*given == name || *given == name + "Fast") return known.end;
  }
  return "";
}

void add_config_tokens(
    const JsonView& config, const Vocabulary& vocabulary, std::vector<AddedToken>& added) {
  if (const auto decoder = config.find("added_tokens_decoder")) {
    for (AddedToken& token : read_added_tokens_decoder(*decoder)) {
      if (!has_content(added, token.content)) added.push_back(std::move(token));
    }
  }
  auto next = static_cast<std::int64_t>(vocabulary.tokens().size());
  for (const AddedToken& token : added) next = std::max(next, token.id + 1);
  const std::vector<std::string> extra = extra_tokens(config.value());
  for (const std::string& content : special_texts_of(config.value())) {
    if (content.empty() || has_content(added, content)) continue;
    const auto known = vocabulary.id(content);
    if (known) added.push_back(special_token(content, *known, config.where()));
  }
  for (const std::string& content : extra) {
    if (content.empty() || has_content(added, content)) continue;
    added.push_back(special_token(content, next++, config.where()));
  }
}

}  // namespace salf::data
