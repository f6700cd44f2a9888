#include "flags.h"

#include <cerrno>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <iostream>

#include "salf/core/text.h"

namespace salf::tools::detail {

std::string kebab(const char* field_name) {
  std::string text = field_name;
  for (char& c : text) {
    if (c == '_') c = '-';
  }
  return text;
}

std::string range_text(const core::Field& field) {
  const bool low = std::isfinite(field.minimum);
  const bool high = std::isfinite(field.maximum);
  if (!low) return "";
  const std::string from = core::format_number(field.minimum);
  if (!high) return " (" + std::string(field.above_minimum ? "above " : "at least ") + from + ")";
  return " (" + from + " … " + core::format_number(field.maximum) + ")";
}

void parse_value(const std::string& text, std::int64_t& value) {
  errno = 0;
  char* end = nullptr;
  const long long parsed = std::strtoll(text.c_str(), &end, 10);
  if (text.empty() || *end != '\0' || errno != 0) {
    throw CLI::ValidationError("expected a whole number, got '" + text + "'");
  }
  value = parsed;
}

void parse_value(const std::string& text, std::uint64_t& value) {
  std::int64_t parsed = 0;
  parse_value(text, parsed);
  if (parsed < 0) throw CLI::ValidationError("expected a whole number from 0, got '" + text + "'");
  value = static_cast<std::uint64_t>(parsed);
}

void parse_value(const std::string& text, double& value) {
  char* end = nullptr;
  const double parsed = std::strtod(text.c_str(), &end);
  if (text.empty() || *end != '\0' || !std::isfinite(parsed)) {
    throw CLI::ValidationError("expected a number, got '" + text + "'");
  }
  value = parsed;
}

void parse_value(const std::string& text, std::string& value) { value = text; }

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
  } catch (const CLI::CallForHelp&) {
    std::cout << app.help();
    return true;
  } catch (const CLI::ExtrasError& error) {
    std::vector<std::string> known;
    for (const CLI::Option* option : app.get_options()) known.push_back("--" + option->get_single_name());
    const std::vector<std::string> extras = app.remaining();
    std::string message = "unknown: " + (extras.empty() ? std::string(error.what()) : core::join(extras, " "));
    const std::string close = extras.empty() ? "" : core::closest(extras.front().substr(0, extras.front().find('=')), known);
    if (!close.empty()) message += "; did you mean " + close + "?";
    throw Error(ErrorKind::kUsage, message + " (" + app.get_name() + " --help lists the options)");
  } catch (const CLI::ParseError& error) {
    throw Error(ErrorKind::kUsage, std::string(error.what()) + " (" + app.get_name() + " --help lists the options)");
  }
}

void throw_problems(const std::string& command, const std::vector<std::string>& problems) {
  const std::string help = "salf " + command + " --help";
  if (problems.size() == 1) throw Error(ErrorKind::kUsage, problems.front() + " (" + help + ")");
  throw Error(ErrorKind::kUsage, std::to_string(problems.size()) + " problems with the options (" + help + "):\n  " +
                                     core::join(problems, "\n  "));
}

}  // namespace salf::tools::detail
