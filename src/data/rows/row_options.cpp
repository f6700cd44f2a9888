// Questions with options.
#include <algorithm>

#include "core/text.h"
#include "data/bad_input.h"
#include "data/rows/row_fields.h"

namespace salf::data {
namespace {

// One for each letter. The prompt is repeated for each option, so a hostile row must not have many.
constexpr std::size_t kMostOptions = 26;

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

struct Options {
  std::vector<std::string> texts;
  std::vector<std::string> labels;  // empty: none were given
};

std::vector<std::string> texts_of(const core::Json& list, const std::string& place) {
  if (!list.is_array()) core::throw_json_type(place, "an array of strings", list);
  if (list.size() < 2 || list.size() > kMostOptions) {
    refuse(place, "expected 2 to " + std::to_string(kMostOptions) + " options, got " +
                      std::to_string(list.size()));
  }
  std::vector<std::string> texts;
  for (std::size_t i = 0; i < list.size(); ++i) {
    const std::string item = place + "[" + std::to_string(i) + "]";
    texts.push_back(as_text(list[i], item));
    if (texts.back().empty()) refuse(item, "the option is empty");
  }
  return texts;
}

// A list of texts; {"text": […], "label": […]} as in ARC; or {"A": text, "B": text, …}.
Options read_options_of(const core::Json& value, const std::string& place) {
  if (!value.is_object()) return {texts_of(value, place), {}};
  const core::Json* const texts = core::find_member(value, "text");
  const core::Json* const labels = core::find_member(value, "label");
  if (texts != nullptr && labels != nullptr) {
    Options options{texts_of(*texts, place + ".text"), texts_of(*labels, place + ".label")};
    if (options.texts.size() == options.labels.size()) return options;
    refuse(place, "expected as many labels as texts, got " + std::to_string(options.labels.size()) +
                      " and " + std::to_string(options.texts.size()));
  }
  Options options;
  core::Json list = core::Json::array();
  for (auto item = value.begin(); item != value.end() && list.size() <= kMostOptions; ++item) {
    options.labels.push_back(item.key());
    list.push_back(*item);
  }
  options.texts = texts_of(list, place);
  return options;
}

std::size_t index_of_text(const std::string& text, const std::vector<std::string>& among) {
  return static_cast<std::size_t>(std::find(among.begin(), among.end(), text) - among.begin());
}

// A label, an option's text, its letter, or a label that ends in its number from 1.
std::size_t named_option(const std::string& name, const Options& options) {
  const std::size_t count = options.texts.size();
  if (!options.labels.empty()) {
    const std::size_t index = index_of_text(name, options.labels);
    if (index < count) return index;
  }
  const std::size_t index = index_of_text(name, options.texts);
  const std::string letter = core::ascii_lower(name);
  if (index < count || !options.labels.empty()) return index;
  if (letter.size() == 1 && letter[0] >= 'a' && letter[0] <= 'z')
    return static_cast<std::size_t>(letter[0] - 'a');
  const NumberedLabel label = split_label(name);
  return label.number > 0 && !label.stem.empty() ? label.number - 1 : count;
}

std::size_t answer_index(
    const core::Json& answer, const char* key, const Options& options, const std::string& place) {
  std::size_t index = options.texts.size();
  if (answer.is_number_unsigned()) {
    const std::size_t label = options.labels.empty() ? index : named_option(answer.dump(), options);
    index = label < index ? label : answer.get<std::size_t>();
  } else if (answer.is_string()) {
    index = named_option(answer.get_ref<const std::string&>(), options);
    const NumberedLabel label = split_label(answer.get_ref<const std::string&>());
    const bool bare_number =
        label.stem.empty() && answer != "" && label.number < 100 &&
        answer.get_ref<const std::string&>().find_first_not_of("0123456789") == std::string::npos;
    // HellaSwag's "label": "3" is an index from 0.
    if (index >= options.texts.size() && bare_number && std::string_view(key) == "label")
      index = label.number;
  }
  if (index < options.texts.size()) return index;
  core::throw_json_type(place,
      "the text of one of the " + std::to_string(options.texts.size()) +
          " options, its index from 0, its letter or a label such as \"answer2\"",
      answer);
}

}  // namespace

std::optional<Question> read_options(RowFields& fields) {
  const char* const options_key = fields.first_of({"options", "choices", "endings"});
  const char* const answer_key =
      fields.first_of({"answerKey", "answer_key", "answer_idx", "answer_index", "answer", "label"});
  if (options_key == nullptr || answer_key == nullptr) return std::nullopt;
  const Options options = read_options_of(*fields.use(options_key), fields.place(options_key));
  Question question;
  question.answer =
      answer_index(*fields.use(answer_key), answer_key, options, fields.place(answer_key));
  question.options = options.texts;
  return question;
}

std::optional<Question> listed_question(
    RowFields& fields, const std::string& prompt, const std::string& completion) {
  const core::Json* const answer = fields.find("answer");
  if (answer == nullptr || !answer->is_string()) return std::nullopt;
  const auto& label = answer->get_ref<const std::string&>();
  const NumberedLabel right = split_label(label);
  if (right.stem.empty()) return std::nullopt;
  const std::size_t count = count_listed(prompt, right.stem);
  if (count < 2 || count > kMostOptions || right.number < 1 || right.number > count)
    return std::nullopt;
  const std::size_t place = completion.rfind(label);
  if (place == std::string::npos) return std::nullopt;

  fields.mark("answer");
  Question question;
  question.answer = right.number - 1;
  for (std::size_t i = 1; i <= count; ++i) {
    std::string option = completion;
    option.replace(place, label.size(), right.stem + std::to_string(i));
    question.options.push_back(std::move(option));
  }
  return question;
}

}  // namespace salf::data
