#include "data/rows/rows.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <utility>

#include "core/error.h"
#include "core/log.h"
#include "data/chat/chat_rows.h"

namespace salf::data {
namespace {

// As many as there are letters. The bound also keeps a hostile row, whose prompt is repeated for
// each option, from growing quadratically.
constexpr std::size_t kMostOptions = 26;

constexpr const char* kRowForms =
    "expected messages, prompt and completion, instruction (and input) and output, question and "
    "answer, "
    "text, or a question with options and answer";

struct PairForm {
  const char* prompt;
  const char* completion;
};
constexpr std::array<PairForm, 3> kPairForms{
    {{"prompt", "completion"}, {"instruction", "output"}, {"question", "answer"}}};

bool has_value(const core::Json& row, const char* key) {
  const auto found = row.find(key);
  return found != row.end() && !found->is_null();
}

std::string string_field(const core::Json& row, const char* key, const std::string& where) {
  const core::Json& value = row.at(key);
  if (!value.is_string()) core::throw_json_type(where + ": " + key, "a string", value);
  return value.get<std::string>();
}

[[noreturn]] void throw_unknown_form(const core::Json& row, const std::string& where) {
  constexpr std::size_t kMostShown = 12;
  std::string keys;
  std::size_t shown = 0;
  for (auto item = row.begin(); item != row.end() && shown < kMostShown; ++item, ++shown) {
    keys += (shown == 0 ? "" : ", ") + core::printable(item.key(), 40);
    if (item->is_null()) keys += " (null)";
  }
  if (row.size() > kMostShown) keys += ", …";
  throw Error(ErrorKind::kBadInput,
      where + ": " + kRowForms + "; found " + (keys.empty() ? "no keys" : "the keys " + keys));
}

std::string prompt_field(const core::Json& row, const char* key, const std::string& where) {
  std::string prompt = string_field(row, key, where);
  if (key != std::string("instruction") || !has_value(row, "input")) return prompt;
  const std::string input = string_field(row, "input", where);
  if (input.empty()) return prompt;
  if (!prompt.empty() && prompt.back() != '\n') prompt += '\n';
  return prompt + input;
}

// "answer12" as "answer" and 12; number 0 where the label is not of this form.
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

std::string ascii_lower(std::string text) {
  for (char& c : text) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return text;
}

// How many options "answer1: … answer2: …" lists, whatever the case of the letters.
std::size_t count_listed(const std::string& instruction, const std::string& stem) {
  const std::string text = ascii_lower(instruction);
  const std::string name = ascii_lower(stem);
  std::size_t count = 0;
  for (std::size_t from = 0; count <= kMostOptions; ++count) {
    const std::string marker = name + std::to_string(count + 1) + ":";
    from = text.find(marker, from);
    if (from == std::string::npos) break;
    from += marker.size();
  }
  return count;
}

// See ChoiceRow (dataset.h) for why the output with each label is what is scored.
std::optional<Question> listed_question(const core::Json& row, const RowText& text) {
  const auto answer = row.find("answer");
  if (answer == row.end() || !answer->is_string()) return std::nullopt;
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
    throw Error(ErrorKind::kBadInput, place + ": expected 2 to " + std::to_string(kMostOptions) +
                                          " options, got " + std::to_string(options.size()));
  }
  std::vector<std::string> texts;
  for (std::size_t i = 0; i < options.size(); ++i) {
    const std::string item = place + "[" + std::to_string(i) + "]";
    if (!options[i].is_string()) core::throw_json_type(item, "a string", options[i]);
    texts.push_back(options[i].get<std::string>());
    if (texts.back().empty()) throw Error(ErrorKind::kBadInput, item + ": the option is empty");
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
    const std::string letter = ascii_lower(text);
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
  RowText text;
  const auto form = std::find_if(kPairForms.begin(), kPairForms.end(),
      [&](const PairForm& pair) { return has_value(row, pair.prompt); });
  if (form == kPairForms.end()) throw_unknown_form(row, where);
  text.prompt = prompt_field(row, form->prompt, where);

  Question question;
  question.options = option_texts(row, where);
  question.answer = answer_index(row.at("answer"), question.options, where);
  text.completion = question.options[question.answer];
  for (const char* key : {"output", "completion"}) {
    if (has_value(row, key)) text.completion = string_field(row, key, where);
  }
  text.question = std::move(question);
  return text;
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
  if (!has_value(json, "domain")) return text;
  const core::Json& domain = json.at("domain");
  text.odd_domain = !domain.is_string();
  if (domain.is_string()) text.domain = domain.get<std::string>();
  return text;
}

}  // namespace salf::data
