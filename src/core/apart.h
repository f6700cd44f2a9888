// Runs a function that may crash or hang, such as loading a broken library, in a process of its
// own.
#pragma once

#include <functional>
#include <string>

namespace salf::core {

struct ApartResult {
  std::string text;     // what `work` returned
  std::string problem;  // "": it returned. Else why it did not, "ended by signal 11 (…)"
};

// `work` runs in a child of this process and prints nothing. After `seconds` the child is ended.
// What `work` changes is lost. Library state is as in this process: call it before CUDA is used.
ApartResult run_apart(const std::function<std::string()>& work, double seconds);

}  // namespace salf::core
