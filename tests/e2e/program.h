// Runs the salf program as a user does, in a process of its own.
#pragma once

#include <sys/types.h>

#include <functional>
#include <string>
#include <vector>

namespace salf::testing {

struct ProgramResult {
  int code = 0;  // exit code; -n: killed by signal n
  std::string out, err;
};

struct ProgramSetting {
  std::string folder;                        // where it runs
  std::string out;                           // a file for stdout instead of ProgramResult::out
  std::string in;                            // a file for stdin; "": nothing
  std::vector<std::string> environment;      // NAME=value, beside the caller's
  long file_size_limit = 0;                  // bytes of a file at most, as on a full disk; 0: none
  std::function<void(pid_t)> while_it_runs;  // called once it was started
};

// Blocks until it ends. Throws std::runtime_error if it cannot be started.
ProgramResult run_program(const std::vector<std::string>& arguments, const ProgramSetting& setting);

// `first`, then `more`.
std::vector<std::string> joined(
    std::vector<std::string> first, const std::vector<std::string>& more);

}  // namespace salf::testing
