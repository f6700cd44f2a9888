// A command of the program, and the list of all.
#pragma once

#include <functional>

#include "commands/common_options.h"
#include "core/progress.h"
#include "describe.h"
#include "flags.h"
#include "ranks.h"

namespace salf::tools {

using Arguments = std::vector<std::string>;

struct Command {
  CommandText text;
  // Takes the arguments after the command's name. Returns the exit code; throws Error.
  std::function<int(const CommandText&, const Arguments&)> run;
  // The command's options, as in describe_program.
  std::function<core::Json()> options;
};

// With progress on stderr; `quiet`: without it, and without notes.
int run_with_progress(bool quiet, const std::function<int(core::Progress&)>& body);

enum class Processes { kOne, kRanks };

// `body` gets options that check_options found no problem in. kRanks: it calls run_on_ranks.
template <class Options> Command make_command(CommandText text,
    int (*body)(const Options&, core::Progress&), Processes processes = Processes::kOne) {
  const auto describe = [words = text.positional] { return describe_options<Options>(words); };
  const auto run = [body, processes](const CommandText& about, const Arguments& arguments) {
    Options options;
    if (!load_options(about, arguments, options)) return 0;
    if (processes == Processes::kOne) refuse_ranks(about.name);
    return run_with_progress(
        options.common.quiet, [&](core::Progress& progress) { return body(options, progress); });
  };
  return {std::move(text), run, describe};
}

Command import_command();
Command inspect_command();
Command analyze_command();
Command plan_command();
Command train_command();
Command eval_command();
Command generate_command();
Command export_command();
Command show_command();
Command report_command();
Command compare_command();
Command trial_command();
Command bench_command();
Command preview_command();
Command doctor_command();

// In the order of the program's help.
std::vector<Command> commands();

}  // namespace salf::tools
