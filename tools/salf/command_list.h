// The commands of the program, in the order of its help.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "flags.h"

namespace salf::tools {

using Arguments = std::vector<std::string>;

struct Command {
  CommandText text;
  // Takes the arguments after the command's name. Returns the exit code; throws Error.
  std::function<int(const CommandText&, const Arguments&)> run;
};

std::vector<Command> commands();

}  // namespace salf::tools
