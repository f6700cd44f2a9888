// The program: picks the command, and turns errors into exit codes.
#include <torch/version.h>

#include <cstdio>
#include <exception>
#include <string>
#include <vector>

#include "app/version.h"
#include "command_list.h"
#include "commit.h"
#include "core/error.h"
#include "core/log.h"
#include "core/signals.h"
#include "core/text.h"
#include "tensor/device.h"
#include "tensor/pool.h"

namespace salf::tools {
namespace {

void print_commands(const std::vector<Command>& some) {
  for (const auto& command : some)
    std::printf("  %-14s%s\n", command.text.name, command.text.summary);
}

void print_help(const std::vector<Command>& all) {
  std::printf(
      "salf %s: fine-tune the layers that need it, within a budget\n\nUsage: salf COMMAND "
      "[OPTIONS]\n\nCommands:\n",
      app::kVersion);
  print_commands(all);
  std::printf(
      "\nsalf COMMAND --help explains each. salf --version: version, commit and LibTorch. salf "
      "--describe: all commands,\noptions and file formats as JSON. Exit codes: 0 done, 1 "
      "regression, 2 usage, 3 bad "
      "input, 4 bad model,\n"
      "5 file or disk, 6 budget too small, 7 out of memory, 70 internal, 128+n stopped by signal "
      "n.\n");
}

// How many of the arguments are the command's name ("eval", "data preview"); 0: they name another
// one.
std::size_t words_of(const std::string& name, const Arguments& arguments) {
  const std::size_t space = name.find(' ');
  if (space == std::string::npos) return arguments[0] == name ? 1 : 0;
  return arguments.size() > 1 && arguments[0] + " " + arguments[1] == name ? 2 : 0;
}

bool asks_for_help(const std::string& argument) {
  return argument == "--help" || argument == "-h" || argument == "help";
}

// "data" is the first word of some commands and no command: those are `group`.
int run_group(
    const std::string& word, const std::vector<Command>& group, const Arguments& arguments) {
  if (!arguments.empty() && !asks_for_help(arguments[0])) {
    throw Error(ErrorKind::kUsage, "unknown command '" + word + " " +
                                       core::printable(arguments[0]) + "' (salf " + word +
                                       " --help lists them)");
  }
  std::printf("Usage: salf %s COMMAND [OPTIONS]\n\nCommands:\n", word.c_str());
  print_commands(group);
  std::printf("\nsalf %s --help explains it.\n", group[0].text.name);
  return arguments.empty() ? static_cast<int>(ErrorKind::kUsage) : 0;
}

int run(const Arguments& arguments) {
  const auto all = commands();
  if (arguments.empty() || asks_for_help(arguments[0])) {
    print_help(all);
    return arguments.empty() ? static_cast<int>(ErrorKind::kUsage) : 0;
  }
  if (arguments[0] == "--version") {
    std::printf("salf %s (commit %s, LibTorch %s)\n", app::kVersion, kCommit, TORCH_VERSION);
    return 0;
  }
  if (arguments[0] == "--describe") {
    std::printf("%s", core::format_json(describe_program()).c_str());
    return 0;
  }
  if (arguments[0] == "probe") {
    core::log_warning("salf probe is called salf trial now");
    Arguments renamed = arguments;
    renamed[0] = "trial";
    return run(renamed);
  }
  std::vector<std::string> names;
  std::vector<Command> group;
  for (const auto& command : all) {
    const std::size_t words = words_of(command.text.name, arguments);
    if (words > 0)
      return command.run(
          command.text, {arguments.begin() + static_cast<std::ptrdiff_t>(words), arguments.end()});
    names.emplace_back(command.text.name);
    if (names.back().compare(0, arguments[0].size() + 1, arguments[0] + " ") == 0)
      group.push_back(command);
  }
  if (!group.empty())
    return run_group(arguments[0], group, {arguments.begin() + 1, arguments.end()});
  const std::string close = core::closest(arguments[0], names);
  throw Error(ErrorKind::kUsage, "unknown command '" + core::printable(arguments[0]) + "'" +
                                     (close.empty() ? "" : "; did you mean " + close + "?") +
                                     " (salf --help lists them)");
}

}  // namespace
}  // namespace salf::tools

int main(int argc, char** argv) {
  try {
    salf::core::watch_stop_signals();
    salf::tensor::use_pool();
    const int code = salf::tools::run({argv + 1, argv + argc});
    // A full disk behind a redirected result shows only now.
    if (std::fflush(stdout) != 0)
      throw salf::Error(salf::ErrorKind::kIo, "standard output cannot be written");
    return code;
  } catch (const salf::Error& error) {
    salf::core::log_error(error.what());
    return error.exit_code();
  } catch (const std::exception& error) {
    if (const auto memory = salf::tensor::out_of_memory(error)) {
      salf::core::log_error(memory->what());
      return memory->exit_code();
    }
    salf::core::log_error(
        std::string("internal error, please report it with what salf doctor prints: ") +
        error.what());
    return static_cast<int>(salf::ErrorKind::kInternal);
  }
}
