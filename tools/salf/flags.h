// Described options (core/fields.h) on the command line. Each field is a --kebab-case flag. A flag
// wins over --config FILE.json, which wins over the default.
#pragma once

#include <CLI/CLI.hpp>

#include "core/fields.h"
#include "core/json.h"
#include "core/log.h"
#include "flag_values.h"

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

// Adds a flag for each field; the values that could not be read are in problems() after parsing.
class FlagBinder {
 public:
  FlagBinder(CLI::App& app, std::vector<std::string> positional)
      : app_(app), positional_(std::move(positional)) {}

  template <class T> void operator()(const core::Field& field, T& value) {
    if constexpr (std::is_same_v<T, bool>) {
      place(field, app_.add_flag(names(field), value, wrapped(field.help)));
    } else {
      place(field, add_option(field, value));
    }
  }
  void begin_group(const char* heading) { heading_ = heading; }

  const std::vector<std::string>& problems() const { return problems_; }
  // Leaves the options that are seldom used out of the help of a command that has many.
  void hide_seldom_used();

 private:
  template <class T> CLI::Option* add_option(const core::Field& field, T& value) {
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
    return option->type_name(type_text<T>());
  }

  static constexpr int kMostWords = 10000;

  bool stands_alone(const core::Field& field) const;
  // "-o,--output", "--model,model"
  std::string names(const core::Field& field) const;
  static std::string help_text(const core::Field& field);
  // In lines that leave a terminal of 80 columns room for the names.
  static std::string wrapped(const std::string& text);
  void place(const core::Field& field, CLI::Option* option);
  void note(const std::string& flag, const std::string& text, const std::string& expected);

  CLI::App& app_;
  std::vector<std::string> positional_;
  std::vector<std::string> problems_;
  std::string heading_ = "Options";
  std::vector<CLI::Option*> seldom_used_;
};

// "-o" of --output, "-n" of --tokens; "" of others.
std::string short_flag(const core::Field& field);
bool asks_for_all(const std::vector<std::string>& arguments);
// The value of --config among the arguments, "" if there is none.
std::string config_path(const std::vector<std::string>& arguments);
// Parses; true if --help or --help-all was asked for and printed. Throws Error(kUsage), with the
// closest flag for an unknown one.
bool parse_arguments(CLI::App& app, const std::vector<std::string>& arguments);
void throw_problems(const std::string& command, const std::vector<std::string>& problems);

template <class T, class = void> struct HasProblems : std::false_type {};
template <class T> struct HasProblems<T, std::void_t<decltype(std::declval<const T&>().problems())>>
    : std::true_type {};

}  // namespace detail

// Every problem of the options at once: those already found, ranges, and what the struct's own
// problems() says. Throws Error(kUsage).
template <class T> void check_options(
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
  app.set_help_all_flag("--help-all", "Print every option and exit");
  if (!detail::asks_for_all(arguments)) binder.hide_seldom_used();
  if (detail::parse_arguments(app, arguments)) return false;
  check_options(text.name, options, binder.problems());
  return true;
}

}  // namespace salf::tools
