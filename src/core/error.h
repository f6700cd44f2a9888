// How does salf fail? With one exception type whose kind is the program's exit code.
#pragma once

#include <stdexcept>
#include <string>

namespace salf {

// The values are the exit codes of the program (README, "Exit codes").
enum class ErrorKind {
  kRegression = 1,
  kUsage = 2,
  kBadInput = 3,
  kBadModel = 4,
  kIo = 5,
  kBudget = 6,
  kInternal = 70,
};

// The message says what is wrong, where (file:line or JSON path), what was expected, what was found
// and what to do next, in one or a few lines without a trailing full stop or newline.
class Error : public std::runtime_error {
 public:
  Error(ErrorKind kind, const std::string& message) : std::runtime_error(message), kind_(kind) {}

  ErrorKind kind() const { return kind_; }
  int exit_code() const { return static_cast<int>(kind_); }

 private:
  ErrorKind kind_;
};

}  // namespace salf
