// The one exception type. Its kind is the exit code of the program.
#pragma once

#include <stdexcept>
#include <string>

namespace salf {

// The values are the exit codes of the program (docs/reference/exit-codes.md).
enum class ErrorKind {
  kRegression = 1,
  kUsage = 2,
  kBadInput = 3,
  kBadModel = 4,
  kIo = 5,
  kBudget = 6,
  kMemory = 7,  // of the machine or of the GPU
  kInternal = 70,
};

// The message says what is wrong, where (file:line or JSON path), expected and found values, and
// what to do next. It has no full stop and no newline at the end.
class Error : public std::runtime_error {
 public:
  Error(ErrorKind kind, const std::string& message) : std::runtime_error(message), kind_(kind) {}

  ErrorKind kind() const { return kind_; }
  int exit_code() const { return static_cast<int>(kind_); }

 private:
  ErrorKind kind_;
};

}  // namespace salf
