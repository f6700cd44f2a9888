#include "flags.h"

#include <algorithm>
#include <iostream>
#include <sstream>

#include "core/text.h"

namespace salf::tools::detail {

bool FlagBinder::stands_alone(const core::Field& field) const {
  return std::find(positional_.begin(), positional_.end(), field.name) != positional_.end();
}

std::string FlagBinder::names(const core::Field& field) const {
  const std::string flag = core::flag_name(field.name);
  const std::string letter = short_flag(field);
  std::string names = letter.empty() ? flag : letter + "," + flag;
  if (field.former != nullptr) names += "," + core::flag_name(field.former);
  return stands_alone(field) ? names + "," + field.name : names;
}

std::string FlagBinder::help_text(const core::Field& field) {
  const std::string range = core::range_text(field);
  return wrapped(field.help + (range.empty() ? "" : " (" + range + ")"));
}

std::string FlagBinder::wrapped(const std::string& text) {
  constexpr std::size_t kColumns = 50;
  std::string lines;
  std::size_t column = 0;
  std::istringstream words(text);
  for (std::string word; words >> word; column += word.size() + 1) {
    const bool fits = column + word.size() <= kColumns;
    if (column > 0) lines += fits ? ' ' : '\n';
    if (!fits) column = 0;
    lines += word;
  }
  return lines;
}

void FlagBinder::place(const core::Field& field, CLI::Option* option) {
  option->group(heading_);
  if (!field.often_used) seldom_used_.push_back(option);
}

void FlagBinder::hide_seldom_used() {
  constexpr std::size_t kMany = 24;
  if (app_.get_options().size() <= kMany) return;
  for (CLI::Option* const option : seldom_used_) option->group("");
  app_.footer(app_.get_footer() + "\n--help-all shows every option.");
}

std::string short_flag(const core::Field& field) {
  const std::string_view name = field.name;
  return name == "output" ? "-o" : name == "tokens" ? "-n" : "";
}

bool asks_for_all(const std::vector<std::string>& arguments) {
  return std::find(arguments.begin(), arguments.end(), "--help-all") != arguments.end();
}

void FlagBinder::note(
    const std::string& flag, const std::string& text, const std::string& expected) {
  if (!expected.empty())
    problems_.push_back(flag + ": expected " + expected + ", got '" + core::printable(text) + "'");
}

std::string config_path(const std::vector<std::string>& arguments) {
  std::string path;
  for (std::size_t i = 0; i < arguments.size(); ++i) {
    if (arguments[i] == "--config" && i + 1 < arguments.size()) path = arguments[i + 1];
    if (arguments[i].rfind("--config=", 0) == 0) path = arguments[i].substr(9);
  }
  return path;
}

bool parse_arguments(CLI::App& app, const std::vector<std::string>& arguments) {
  std::vector<std::string> reversed(arguments.rbegin(), arguments.rend());
  try {
    app.parse(reversed);
    return false;
  } catch (const CLI::Success&) {  // --help or --help-all
    std::cout << app.help();
    return true;
  } catch (const CLI::ExtrasError& error) {
    std::vector<std::string> known;
    for (const CLI::Option* option : app.get_options())
      known.push_back("--" + option->get_single_name());
    const std::vector<std::string> extras = app.remaining();
    std::string message = "unknown: " + core::printable(extras.empty() ? std::string(error.what())
                                                                       : core::join(extras, " "));
    const std::string close =
        extras.empty() ? ""
                       : core::closest(extras.front().substr(0, extras.front().find('=')), known);
    if (!close.empty()) message += "; did you mean " + close + "?";
    throw Error(ErrorKind::kUsage, message + " (" + app.get_name() + " --help lists the options)");
  } catch (const CLI::ParseError& error) {
    throw Error(ErrorKind::kUsage,
        core::printable(error.what()) + " (" + app.get_name() + " --help lists the options)");
  }
}

void throw_problems(const std::string& command, const std::vector<std::string>& problems) {
  const std::string help = "salf " + command + " --help";
  if (problems.size() == 1) throw Error(ErrorKind::kUsage, problems.front() + " (" + help + ")");
  throw Error(ErrorKind::kUsage, std::to_string(problems.size()) + " problems with the options (" +
                                     help + "):\n  " + core::join(problems, "\n  "));
}

}  // namespace salf::tools::detail
