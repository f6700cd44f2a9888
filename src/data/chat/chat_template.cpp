#include "data/chat/chat_template.h"

#include <system_error>

#include "core/files.h"
#include "core/json.h"
#include "core/log.h"
#include "core/text.h"
#include "data/bad_input.h"
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
  return "give the format: --chat-template NAME, where NAME is one of " +
         core::join(chat_format_names(), ", ") +
         ", or a JSON file such as {\"user_before\": \"User: \", \"user_after\": \"\\n\", "
         "\"assistant_before\": \"Assistant:\", \"answer_lead\": \" \", \"assistant_after\": "
         "\"{eos}\\n\"}";
}

const NamedFormat* built_in(const std::string& name) {
  for (const NamedFormat& format : built_in_chat_formats()) {
    if (format.name == name) return &format;
  }
  return nullptr;
}

NamedFormat model_format(const ModelTemplate& model) {
  if (model.text.empty()) {
    throw Error(ErrorKind::kUsage,
        "the rows are conversations, and the model has no chat template (tokenizer_config.json "
        "beside its tokenizer names none): " +
            advice());
  }
  const auto name = recognise_template(model.text);
  if (!name) {
    throw Error(ErrorKind::kUsage, core::printable_path(model.where) +
                                       ": this chat template is not one that salf knows (\"" +
                                       core::printable(model.text, 60) + "\"): " + advice());
  }
  return *built_in(*name);
}

NamedFormat format_in_file(const std::string& path) {
  NamedFormat format{path, {}};
  core::from_json(core::read_json_file(path), core::printable_path(path), format.format);
  if (format.format.assistant_after.empty()) {
    refuse(core::printable_path(path),
        "assistant_after: expected a text that ends the assistant's turn, such as \"{eos}\\n\"; "
        "without it the model does not learn to stop");
  }
  return format;
}

}  // namespace

ModelTemplate read_model_template(const fs::path& tokenizer_json) {
  const fs::path folder = tokenizer_json.parent_path();
  const fs::path jinja = folder / "chat_template.jinja";
  if (is_file(jinja)) return {core::read_file(jinja, kLargestTemplate), jinja.string()};
  const fs::path config = folder / "tokenizer_config.json";
  if (!is_file(config)) return {};
  const std::string name = core::printable_path(config);
  const PlainJson root = parse_checked(core::read_file(config, kLargestConfig), name);
  ModelTemplate found{template_in(JsonView(root, name + ": ")), config.string()};
  if (found.text.size() > kLargestTemplate) {
    refuse(name, "chat_template: a template of " + core::format_bytes(found.text.size()) +
                     ", the limit is " + core::format_bytes(kLargestTemplate));
  }
  return found;
}

NamedFormat choose_chat_format(const std::string& choice, const ModelTemplate& model_template) {
  if (choice.empty()) return model_format(model_template);
  if (const NamedFormat* const known = built_in(choice)) return *known;
  if (fs::path(choice).extension() == ".json") return format_in_file(choice);
  const std::string near = core::closest(choice, chat_format_names());
  throw Error(ErrorKind::kUsage,
      "--chat-template " + core::printable(choice) + ": no such chat format" +
          (near.empty() ? "" : "; did you mean " + near + "?") + "; " + advice());
}

}  // namespace salf::data
