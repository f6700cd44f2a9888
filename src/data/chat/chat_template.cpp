#include "data/chat/chat_template.h"

#include <system_error>

#include "core/files.h"
#include "core/log.h"
#include "core/text.h"
#include "data/bad_input.h"
#include "data/chat/built_in_templates.h"
#include "data/rows/checked_json.h"

namespace salf::data {
namespace {

namespace fs = std::filesystem;

constexpr std::uint64_t kLargestTemplate = 1ULL << 20;
constexpr std::uint64_t kLargestConfig = 1ULL << 28;

bool is_file(const fs::path& path) {
  std::error_code failure;
  return fs::is_regular_file(path, failure);
}

// "chat_template": a string, or a list of {"name", "template"}.
std::string template_in(const JsonView& config) {
  const auto member = config.find("chat_template");
  if (!member) return "";
  if (!member->value().is_array()) return member->text();
  for (const JsonView& entry : member->items()) {
    if (entry.at("name").text() == "default") return entry.at("template").text();
  }
  return "";
}

std::string advice() {
  return "--chat-template NAME gives one, where NAME is one of " +
         core::join(chat_template_names(), ", ") +
         ", or a file with a Jinja template, as chat_template.jinja of a model is";
}

std::string source_of(const fs::path& path) {
  const std::string name = core::printable_path(path);
  const std::string text = core::read_file(path, kLargestTemplate);
  if (core::ascii_lower(path.extension().string()) != ".json") return text;
  const PlainJson root = parse_checked(text, name);
  const std::string source = template_in(JsonView(root, name + ": "));
  if (source.empty()) refuse(name, "expected a file with \"chat_template\", found no such member");
  return source;
}

}  // namespace

std::vector<std::string> chat_template_names() {
  std::vector<std::string> names;
  for (const BuiltInTemplate& known : built_in_templates()) names.emplace_back(known.name);
  return names;
}

SpecialTexts special_texts(const Tokenizer& tokenizer) {
  const auto text = [&](const std::optional<std::int64_t>& id) {
    return id ? tokenizer.decode({*id}) : std::string();
  };
  return {text(tokenizer.bos_id()), text(tokenizer.eos_id()), text(tokenizer.padding_id())};
}

ModelTemplate read_model_template(const fs::path& tokenizer_json) {
  const fs::path folder = tokenizer_json.parent_path();
  const fs::path jinja = folder / "chat_template.jinja";
  if (is_file(jinja)) return {core::read_file(jinja, kLargestTemplate), jinja.string()};
  for (const char* file : {"tokenizer_config.json", "chat_template.json"}) {
    const fs::path config = folder / file;
    if (!is_file(config)) continue;
    const std::string name = core::printable_path(config);
    const PlainJson root = parse_checked(core::read_file(config, kLargestConfig), name);
    ModelTemplate found{template_in(JsonView(root, name + ": ")), config.string()};
    if (found.text.size() > kLargestTemplate) {
      refuse(name, "chat_template: a template of " + core::format_bytes(found.text.size()) +
                       ", the limit is " + core::format_bytes(kLargestTemplate));
    }
    if (!found.text.empty()) return found;
  }
  return {};
}

ChatTemplate::ChatTemplate(std::string source, std::string name, SpecialTexts special)
    : source_(std::move(source)), name_(std::move(name)), special_(std::move(special)),
      jinja_(source_, core::printable(name_)) {}

ChatTemplate choose_chat_template(
    const std::string& choice, const ModelTemplate& model_template, const SpecialTexts& special) {
  if (choice.empty()) {
    if (!model_template.text.empty()) return {model_template.text, model_template.where, special};
    throw Error(ErrorKind::kUsage,
        "the rows are conversations, and the model has no chat template (tokenizer_config.json "
        "beside its tokenizer names none): " +
            advice());
  }
  for (const BuiltInTemplate& known : built_in_templates()) {
    if (choice == known.name) return {known.source, choice, special};
  }
  if (is_file(choice)) return {source_of(choice), choice, special};
  const std::string near = core::closest(choice, chat_template_names());
  throw Error(ErrorKind::kUsage,
      "--chat-template " + core::printable(choice) + ": no such template and no such file" +
          (near.empty() ? "" : "; did you mean " + near + "?") + "; " + advice());
}

}  // namespace salf::data
