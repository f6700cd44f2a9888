#include "command_list.h"

#include "terminal_progress.h"

namespace salf::tools {

int run_with_progress(bool quiet, const std::function<int(core::Progress&)>& body) {
  if (!quiet) {
    TerminalProgress progress;
    return body(progress);
  }
  core::set_log_level(core::LogLevel::kWarning);
  core::Progress silent;
  return body(silent);
}

std::vector<Command> commands() {
  return {import_command(), inspect_command(), analyze_command(), plan_command(), train_command(),
      eval_command(), generate_command(), export_command(), show_command(), report_command(),
      compare_command(), trial_command(), bench_command(), preview_command(), doctor_command()};
}

}  // namespace salf::tools
