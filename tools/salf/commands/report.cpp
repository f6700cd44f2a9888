#include "commands/report.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdio>
#include <thread>

#include "command_list.h"
#include "core/files.h"
#include "core/signals.h"
#include "core/text.h"
#include "local_server.h"

namespace salf::tools {
namespace {

namespace fs = std::filesystem;

// Long enough for an open page to fetch the end (it asks every 3 seconds).
constexpr double kLastSeconds = 8.0;

std::vector<report::RunData> load(const ReportOptions& options, report::Running running) {
  std::vector<report::RunData> runs;
  for (const std::string& run : options.runs) runs.push_back(report::load_run(run, running));
  return runs;
}

report::PageOptions page_options(const ReportOptions& options) {
  return {options.lang, !options.no_text, options.follow};
}

fs::path folder_of(const std::string& run) {
  return fs::is_directory(run) ? fs::path(run) : fs::path(run).parent_path();
}

// Whether a process holds the run's folder (core::OutputFolder).
bool is_held(const fs::path& folder) {
  const int lock = ::open((folder / ".salf.lock").c_str(), O_RDONLY | O_CLOEXEC);
  if (lock < 0) return false;
  const bool held = ::flock(lock, LOCK_SH | LOCK_NB) != 0 && errno == EWOULDBLOCK;
  ::close(lock);
  return held;
}

bool sleep_unless_stopped(double seconds) {
  const auto end = std::chrono::steady_clock::now() + std::chrono::duration<double>(seconds);
  while (std::chrono::steady_clock::now() < end) {
    if (core::stop_signal() != 0) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
  }
  return core::stop_signal() == 0;
}

// A run's folder is there before its run.json: it is measured and planned first.
bool wait_for_start(const ReportOptions& options) {
  for (const std::string& run : options.runs) {
    bool told = false;
    while (fs::is_directory(run) && !fs::exists(fs::path(run) / "run.json") && is_held(run)) {
      if (!told) core::log_info(core::printable(run) + ": waiting for the plan");
      told = true;
      if (!sleep_unless_stopped(0.5)) return false;
    }
  }
  return true;
}

bool goes_on(const ReportOptions& options) {
  const std::vector<report::RunData> runs = load(options, report::Running::kAccept);
  return std::any_of(runs.begin(), runs.end(), [](const report::RunData& run) {
    return run.run && run.run->status == types::RunStatus::kRunning && is_held(folder_of(run.path));
  });
}

int follow(const ReportOptions& options) {
  if (!wait_for_start(options)) return 128 + core::stop_signal();
  if (!goes_on(options)) {
    throw Error(ErrorKind::kUsage,
        "--follow: no such run goes on; leave it out to write the page to a file");
  }
  LocalServer server;
  const auto page = page_options(options);
  server.page("/", "text/html; charset=utf-8", [&options, page] {
    return report::html_report(load(options, report::Running::kAccept), page);
  });
  server.page("/body", "text/html; charset=utf-8", [&options, page] {
    return report::page_body(load(options, report::Running::kAccept), page);
  });
  const int port = server.start(options.port);
  const std::string address = "http://127.0.0.1:" + std::to_string(port) + "/";
  std::printf("%s\n", address.c_str());
  std::fflush(stdout);
  core::log_info("the page is at " + address + " until the run ends; Ctrl-C ends it earlier");
  while (sleep_unless_stopped(2.0)) {
    if (goes_on(options)) continue;
    core::log_info("the run has ended; salf report " + core::printable(options.runs.front()) +
                   " -o report.html writes its page");
    sleep_unless_stopped(kLastSeconds);
    return core::stop_signal() == 0 ? 0 : 128 + core::stop_signal();
  }
  return 128 + core::stop_signal();
}

}  // namespace

std::vector<std::string> ReportOptions::problems() const {
  std::vector<std::string> problems;
  if (runs.empty()) problems.emplace_back("a run is needed: one or more run directories");
  if (!follow) require_output(output, problems);
  if (follow && output != ReportOptions{}.output)
    problems.emplace_back("--follow writes no file: leave out --output");
  if (port != 0 && !follow) problems.emplace_back("--port is of --follow");
  return problems;
}

int run(const ReportOptions& options, core::Progress& /*progress*/) {
  if (options.follow) return follow(options);
  check_output_text(options.output, "<!DOCTYPE html>", "page", options.common.force);
  const std::vector<report::RunData> runs = load(options, report::Running::kRefuse);
  const std::string page = report::html_report(runs, page_options(options));
  core::write_file_atomically(options.output, page);
  const core::Json json = {
      {"output", options.output}, {"bytes", page.size()}, {"runs", runs.size()}};
  return print_result(options.common, json,
      "written to " + core::printable(options.output) + " (" + core::format_bytes(page.size()) +
          ")\n");
}

Command report_command() {
  return make_command<ReportOptions>(
      {"report", "Write a page that explains one or more runs", {"runs"},
          "Examples:\n  salf report run -o report.html\n  salf report run-full run-cut "
          "-o report.html --lang ja\n"
          "  salf report --follow run"},
      &run);
}

}  // namespace salf::tools
