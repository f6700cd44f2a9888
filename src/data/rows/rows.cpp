#include <algorithm>

#include "core/log.h"
#include "core/text.h"
#include "data/bad_input.h"
#include "data/rows/row_file.h"

namespace salf::data {
namespace {

// One for each letter. The prompt is repeated for each option, so a hostile row must not have many.
constexpr std::size_t kMostOptions = 26;

constexpr const char* kRowForms =
    "expected messages, prompt and completion, instruction (and input) and output, question and "
    "answer, text, or a question with options and answer";

struct PairForm {
  const char* prompt;
  const char* completion;
};
constexpr PairForm kPairForms[] = {
    {"prompt", "completion"}, {"instruction", "output"}, {"question", "answer"}};

// The member, or null if it is absent or null.
const core::Json* value_of(const core::Json& object, const char* key) {
  const core::Json* const found = core::find_member(object, key);
  return found == nullptr || found->is_null() ? nullptr : found;
}

bool has_value(const core::Json& row, const char* key) { return value_of(row, key) != nullptr; }

const std::string& as_text(const core::Json& value, const std::string& where) {
  if (!value.is_string()) core::throw_json_type(where, "a string", value);
  return value.get_ref<const std::string&>();
}

const std::string& string_field(const core::Json& row, const char* key, const std::string& where) {
  return as_text(row.at(key), where + ": " + key);
}

[[noreturn]] void throw_unknown_form(const core::Json& row, const std::string& where) {
  constexpr std::size_t kMostShown = 12;
  std::vector<std::string> keys;
  for (auto item = row.begin(); item != row.end() && keys.size() < kMostShown; ++item) {
    keys.push_back(core::printable(item.key(), 40) + (item->is_null() ? " (null)" : ""));
  }
  if (row.size() > kMostShown) keys.emplace_back("…");
  refuse(where, std::string(kRowForms) + "; found " +
                    (keys.empty() ? "no keys" : "the keys " + core::join(keys, ", ")));
}

std::string prompt_field(const core::Json& row, const char* key, const std::string& where) {
  std::string prompt = string_field(row, key, where);
  if (key != std::string("instruction") || !has_value(row, "input")) return prompt;
  const std::string& input = string_field(row, "input", where);
  if (input.empty()) return prompt;
  if (!prompt.empty() && prompt.back() != '\n') prompt += '\n';
  return prompt + input;
}

// "answer12" is "answer" and 12. A label of another form has number 0.
struct NumberedLabel {
  std::string stem;
  std::size_t number = 0;
};

NumberedLabel split_label(const std::string& label) {
  const auto is_digit = [](char c) { return c >= '0' && c <= '9'; };
  const auto is_letter = [](char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); };
  const auto digits = std::find_if(label.begin(), label.end(), is_digit);
  const auto count = label.end() - digits;
  if (count < 1 || count > 2 || !std::all_of(digits, label.end(), is_digit)) return {};
  if (!std::all_of(label.begin(), digits, is_letter)) return {};
  return {std::string(label.begin(), digits),
      static_cast<std::size_t>(std::stoi(std::string(digits, label.end())))};
}

// The number of options that "answer1: … answer2: …" lists. Case is ignored.
std::size_t count_listed(const std::string& instruction, const std::string& stem) {
  const std::string text = core::ascii_lower(instruction);
  const std::string name = core::ascii_lower(stem);
  std::size_t count = 0;
  for (std::size_t from = 0; count <= kMostOptions; ++count) {
    const std::string marker = name + std::to_string(count + 1) + ":";
    from = text.find(marker, from);
    if (from == std::string::npos) break;
    from += marker.size();
  }
  return count;
}

// The options are the output with each label; see ChoiceRow (dataset.h).
std::optional<Question> listed_question(const core::Json& row, const RowText& text) {
  const core::Json* const answer = core::find_member(row, "answer");
  if (answer == nullptr || !answer->is_string()) return std::nullopt;
  const auto& label = answer->get_ref<const std::string&>();
  const NumberedLabel right = split_label(label);
  if (right.stem.empty()) return std::nullopt;
  const std::size_t count = count_listed(text.prompt, right.stem);
  if (count < 2 || count > kMostOptions || right.number < 1 || right.number > count)
    return std::nullopt;
  const std::size_t place = text.completion.rfind(label);
  if (place == std::string::npos) return std::nullopt;

  Question question;
  question.answer = right.number - 1;
  for (std::size_t i = 1; i <= count; ++i) {
    std::string option = text.completion;
    option.replace(place, label.size(), right.stem + std::to_string(i));
    question.options.push_back(std::move(option));
  }
  return question;
}

std::vector<std::string> option_texts(const core::Json& row, const std::string& where) {
  const core::Json& options = row.at("options");
  const std::string place = where + ": options";
  if (!options.is_array()) core::throw_json_type(place, "an array of strings", options);
  if (options.size() < 2 || options.size() > kMostOptions) {
    refuse(place, "expected 2 to " + std::to_string(kMostOptions) + " options, got " +
                      std::to_string(options.size()));
  }
  std::vector<std::string> texts;
  for (std::size_t i = 0; i < options.size(); ++i) {
    const std::string item = place + "[" + std::to_string(i) + "]";
    texts.push_back(as_text(options[i], item));
    if (texts.back().empty()) refuse(item, "the option is empty");
  }
  return texts;
}

std::size_t answer_index(
    const core::Json& answer, const std::vector<std::string>& options, const std::string& where) {
  std::size_t index = options.size();
  if (answer.is_number_unsigned()) {
    index = answer.get<std::size_t>();
  } else if (answer.is_string()) {
    const auto& text = answer.get_ref<const std::string&>();
    const auto same = std::find(options.begin(), options.end(), text);
    const std::string letter = core::ascii_lower(text);
    if (same != options.end()) {
      index = static_cast<std::size_t>(same - options.begin());
    } else if (letter.size() == 1 && letter[0] >= 'a' && letter[0] <= 'z') {
      index = static_cast<std::size_t>(letter[0] - 'a');
    } else if (const NumberedLabel label = split_label(text); label.number > 0) {
      index = label.number - 1;
    }
  }
  if (index >= options.size()) {
    core::throw_json_type(where + ": answer",
        "the text of one of the " + std::to_string(options.size()) +
            " options, its index from 0, its letter or a label such as \"answer2\"",
        answer);
  }
  return index;
}

RowText parse_question(const core::Json& row, const std::string& where) {
  const auto* const form = std::find_if(std::begin(kPairForms), std::end(kPairForms),
      [&](const PairForm& pair) { return has_value(row, pair.prompt); });
  if (form == std::end(kPairForms)) throw_unknown_form(row, where);
  RowText text;
  text.prompt = prompt_field(row, form->prompt, where);
  Question& question = text.question.emplace();
  question.options = option_texts(row, where);
  question.answer = answer_index(row.at("answer"), question.options, where);
  text.completion = question.options[question.answer];
  for (const char* key : {"output", "completion"}) {
    if (has_value(row, key)) text.completion = string_field(row, key, where);
  }
  return text;
}

// More turns than any conversation has.
constexpr std::size_t kMostMessages = 10'000;

constexpr core::EnumName<ChatRole> kRoleNames[] = {{ChatRole::kSystem, "system"},
    {ChatRole::kUser, "user"}, {ChatRole::kUser, "human"}, {ChatRole::kAssistant, "assistant"},
    {ChatRole::kAssistant, "gpt"}, {ChatRole::kAssistant, "chatgpt"},
    {ChatRole::kAssistant, "model"}};

// The text under OpenAI's or ShareGPT's name.
std::string text_field(
    const core::Json& message, const char* name, const char* other, const std::string& where) {
  for (const char* key : {name, other}) {
    if (has_value(message, key)) return as_text(message.at(key), where + "." + key);
  }
  refuse(where, std::string("expected a message with ") + name + " (or " + other + ")");
}

ChatMessage parse_message(const core::Json& message, const std::string& where) {
  if (!message.is_object())
    core::throw_json_type(where, "an object with role and content", message);
  if (has_value(message, "tool_calls")) {
    refuse(where, "tool_calls are not supported; leave such rows out");
  }
  const std::string role = text_field(message, "role", "from", where);
  for (const auto& known : kRoleNames) {
    if (role == known.name) return {known.value, text_field(message, "content", "value", where)};
  }
  refuse(where,
      "expected the role system, user or assistant (ShareGPT: system, human or gpt), got \"" +
          core::printable(role, 40) + "\"");
}

// The messages of a row, or nothing without `messages` and `conversations`.
std::optional<std::vector<ChatMessage>> parse_messages(
    const core::Json& row, const std::string& where) {
  const char* key = "messages";
  const core::Json* list = value_of(row, key);
  if (list == nullptr) list = value_of(row, key = "conversations");
  if (list == nullptr) return std::nullopt;
  const std::string place = where + ": " + key;
  if (!list->is_array()) core::throw_json_type(place, "an array of messages", *list);
  if (list->empty() || list->size() > kMostMessages) {
    refuse(place, "expected 1 to " + std::to_string(kMostMessages) + " messages, got " +
                      std::to_string(list->size()));
  }
  std::vector<ChatMessage> messages;
  for (const core::Json& message : *list) {
    messages.push_back(parse_message(message, place + "[" + std::to_string(messages.size()) + "]"));
  }
  return messages;
}

RowText parse_form(const core::Json& json, const std::string& where) {
  if (auto messages = parse_messages(json, where))
    return {"", "", std::nullopt, std::move(*messages)};
  if (has_value(json, "options") && has_value(json, "answer")) return parse_question(json, where);
  for (const PairForm& form : kPairForms) {
    if (!has_value(json, form.prompt) || !has_value(json, form.completion)) continue;
    RowText text;
    text.prompt = prompt_field(json, form.prompt, where);
    text.completion = string_field(json, form.completion, where);
    text.question = listed_question(json, text);
    return text;
  }
  if (!has_value(json, "text")) throw_unknown_form(json, where);
  return {"", string_field(json, "text", where), std::nullopt, {}};
}

}  // namespace

RowText parse_row(const core::Json& json, const std::string& where) {
  if (!json.is_object()) core::throw_json_type(where, "an object with the fields of a row", json);
  RowText text = parse_form(json, where);
  if (const core::Json* const domain = value_of(json, "domain")) {
    text.odd_domain = !domain->is_string();
    if (!text.odd_domain) text.domain = domain->get<std::string>();
  }
  return text;
}

}  // namespace salf::data
