#include <algorithm>

#include "data/bad_input.h"
#include "data/rows/row_fields.h"

namespace salf::data {
namespace {

struct PairForm {
  const char* prompt;
  const char* completion;
};
constexpr PairForm kPairForms[] = {{"prompt", "completion"}, {"prompt", "response"},
    {"prompt", "output"}, {"prompt", "answer"}, {"instruction", "output"},
    {"instruction", "response"}, {"instruction", "completion"}, {"instruction", "answer"},
    {"question", "answer"}, {"question", "response"}, {"query", "response"}, {"query", "answer"},
    {"input", "output"}, {"input", "response"}, {"inputs", "targets"}};

void add_line(std::string& text, const std::string& line) {
  if (line.empty()) return;
  if (!text.empty() && text.back() != '\n') text += '\n';
  text += line;
}

// Earlier turns: a list of [question, answer].
void add_history(RowFields& fields, std::string& text) {
  const core::Json* const history = fields.use("history");
  if (history == nullptr) return;
  const std::string place = fields.place("history");
  if (!history->is_array()) core::throw_json_type(place, "a list of [question, answer]", *history);
  for (std::size_t i = 0; i < history->size(); ++i) {
    const core::Json& turn = (*history)[i];
    const std::string item = place + "[" + std::to_string(i) + "]";
    if (!turn.is_array() || turn.size() != 2)
      core::throw_json_type(item, "[question, answer]", turn);
    add_line(text, as_text(turn[0], item + "[0]"));
    add_line(text, as_text(turn[1], item + "[1]"));
  }
}

// What belongs to a prompt, each on a line of its own.
std::string read_prompt(RowFields& fields, const std::string& key) {
  std::string prompt = read_system(fields);
  add_history(fields, prompt);
  if (key == "question" || key == "query") add_line(prompt, fields.text("context"));
  add_line(prompt, fields.text(key.c_str()));
  if (key == "instruction" || key == "prompt") {
    add_line(prompt, fields.text("input"));
    add_line(prompt, fields.text("context"));
  }
  return prompt;
}

RowText read_question(const core::Json& row, RowFields& fields, Question question) {
  const char* const key = fields.first_of(
      {"prompt", "instruction", "question", "question_stem", "query", "ctx", "input"});
  if (key == nullptr) throw_unknown_form(row, fields.where());
  RowText text;
  text.prompt = read_prompt(fields, key);
  text.completion = question.options[question.answer];
  for (const char* given : {"output", "completion"}) {
    if (fields.find(given) != nullptr) text.completion = fields.text(given);
  }
  text.question = std::move(question);
  return text;
}

RowText read_form(const core::Json& row, RowFields& fields) {
  RowText text;
  if (auto chat = read_conversation(fields)) {
    text.chat = std::move(*chat);
    return text;
  }
  if (auto question = read_options(fields)) return read_question(row, fields, std::move(*question));
  for (const PairForm& form : kPairForms) {
    if (fields.find(form.prompt) == nullptr || fields.find(form.completion) == nullptr) continue;
    text.prompt = read_prompt(fields, form.prompt);
    text.completion = fields.text(form.completion);
    text.question = listed_question(fields, text.prompt, text.completion);
    return text;
  }
  if (fields.find("text") == nullptr) throw_unknown_form(row, fields.where());
  text.completion = fields.text("text");
  return text;
}

}  // namespace

RowText parse_row(const core::Json& json, const std::string& where) {
  if (!json.is_object()) core::throw_json_type(where, "an object with the fields of a row", json);
  RowFields fields(json, where);
  RowText text = read_form(json, fields);
  if (const core::Json* const domain = fields.use("domain")) {
    text.odd_domain = !domain->is_string();
    if (!text.odd_domain) text.domain = domain->get<std::string>();
  }
  text.unused = fields.unused();
  return text;
}

}  // namespace salf::data
