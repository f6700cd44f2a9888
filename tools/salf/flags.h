// How do described options (core/fields.h) come from the command line? Each field is a --kebab-case
// flag; the order is: default < --config FILE.json < flag.
#pragma once

#include <CLI/CLI.hpp>
#include <cstdint>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "core/error.h"
#include "core/fields.h"
#include "core/json.h"
#include "core/log.h"

namespace salf::tools {

// A command's name, its one-line summary, the words after the options that may stand without a flag
// ("model"), and an example or two for its help.
struct CommandText {
  const char* name;
  const char* summary;
  std::vector<std::string> positional;
  const char* examples;
};

namespace detail {

// Parsers of one value: "" when the text is one, else what was expected ("a whole number").
std::string parse_value(const std::string& text, std::int64_t& value);
std::string parse_value(const std::string& text, std::uint64_t& value);
std::string parse_value(const std::string& text, double& value);
std::string parse_value(const std::string& text, std::string& value);

template <class T>
std::string parse_field(const std::string& text, T& value) {
  if constexpr (core::IsOptional<T>::value) {
    return parse_field(text, value.emplace());
  } else if constexpr (core::IsVector<T>::value) {
    return parse_field(text, value.emplace_back());
  } else if constexpr (std::is_enum_v<T>) {
    const auto parsed = core::enum_from_string<T>(text);
    if (!parsed) return core::enum_choices<T>();
    value = *parsed;
    return "";
  } else {
    return parse_value(text, value);
  }
}

template <class T>
std::string default_text(const T& value) {
  const core::Json json = core::to_json(value);
  if (json.is_null() || (json.is_string() && json.get<std::string>().empty())) return "";
  if (json.is_array()) return "";
  return json.is_string() ? json.get<std::string>() : json.dump();
}

// What stands for the value in the help: the choices of an enum, else its kind.
template <class T>
std::string type_text() {
  if constexpr (core::IsOptional<T>::value || core::IsVector<T>::value) {
    return type_text<typename T::value_type>();
  } else if constexpr (std::is_enum_v<T>) {
    std::string text;
    for (const auto& entry : enum_names(T{}))
      text += (text.empty() ? "" : "|") + std::string(entry.name);
    return text;
  } else if constexpr (std::is_integral_v<T>) {
    return "N";
  } else if constexpr (std::is_floating_point_v<T>) {
    return "X";
  } else {
    return "TEXT";
  }
}

// Adds a flag for each field; the values that could not be read are in problems() after parsing.
class FlagBinder {
 public:
  FlagBinder(CLI::App& app, std::vector<std::string> positional)
      : app_(app), positional_(std::move(positional)) {}

  template <class T>
  void operator()(const core::Field& field, T& value) {
    if constexpr (std::is_same_v<T, bool>) {
      app_.add_flag(names(field), value, field.help);
    } else {
      add_option(field, value);
    }
  }

  const std::vector<std::string>& problems() const { return problems_; }

 private:
  template <class T>
  void add_option(const core::Field& field, T& value) {
    const std::string flag = core::flag_name(field.name);
    const auto assign = [this, &value, flag](const std::vector<std::string>& texts) {
      if constexpr (core::IsVector<T>::value)
        value.clear();  // flags replace what a config file put into a list
      for (const std::string& text : texts) note(flag, text, parse_field(text, value));
    };
    // One word after each flag, however often the flag stands there.
    CLI::Option* const option =
        app_.add_option_function<std::vector<std::string>>(names(field), assign, help_text(field))
            ->allow_extra_args(false);
    if (!core::IsVector<T>::value) option->expected(1)->take_last();
    // Words without a flag may be many.
    if (core::IsVector<T>::value && stands_alone(field))
      option->expected(0, kMostWords)->allow_extra_args(true);
    const std::string shown = default_text(value);
    if (!shown.empty()) option->default_str(shown);
    option->type_name(type_text<T>());
  }

  static constexpr int kMostWords = 10000;

  bool stands_alone(const core::Field& field) const;
  // "-o,--output", "--model,model"
  std::string names(const core::Field& field) const;
  static std::string help_text(const core::Field& field);
  void note(const std::string& flag, const std::string& text, const std::string& expected);

  CLI::App& app_;
  std::vector<std::string> positional_;
  std::vector<std::string> problems_;
};

// The value of --config among the arguments, "" if there is none.
std::string config_path(const std::vector<std::string>& arguments);
// Parses; true if help was asked for and printed. Throws Error(kUsage), with the closest flag for
// an unknown one.
bool parse_arguments(CLI::App& app, const std::vector<std::string>& arguments);
void throw_problems(const std::string& command, const std::vector<std::string>& problems);

template <class T, class = void>
struct HasProblems : std::false_type {};
template <class T>
struct HasProblems<T, std::void_t<decltype(std::declval<const T&>().problems())>> : std::true_type {
};

}  // namespace detail

// Every problem of the options at once: those already found, ranges, and what the struct's own
// problems() says. Throws Error(kUsage).
template <class T>
void check_options(
    const std::string& command, const T& options, std::vector<std::string> problems = {}) {
  for (auto& problem : core::range_problems(options)) problems.push_back(std::move(problem));
  if constexpr (detail::HasProblems<T>::value) {
    for (auto& problem : options.problems()) problems.push_back(std::move(problem));
  }
  if (!problems.empty()) detail::throw_problems(command, problems);
}

// Fills `options` from the arguments after the command's name. False if help was printed instead.
// Throws Error(kUsage) or, for the config file, Error(kIo) and Error(kBadInput).
template <class T>
bool load_options(const CommandText& text, const std::vector<std::string>& arguments, T& options) {
  const std::string config = detail::config_path(arguments);
  if (!config.empty())
    core::from_json(core::read_json_file(config), core::printable(config), options);
  CLI::App app(text.summary, std::string("salf ") + text.name);
  std::string ignored;
  app.add_option("--config", ignored, "JSON file with options; flags win over it")
      ->type_name("FILE");
  detail::FlagBinder binder(app, text.positional);
  T::fields(options, binder);
  app.footer(text.examples);
  if (detail::parse_arguments(app, arguments)) return false;
  check_options(text.name, options, binder.problems());
  return true;
}

}  // namespace salf::tools
