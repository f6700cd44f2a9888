// salf show: a document of salf as a person reads it in a terminal.
#pragma once

#include <string>
#include <vector>

#include "app/session/model_options.h"
#include "commands/common_options.h"
#include "core/progress.h"

namespace salf::tools {

struct ShowOptions {
  CommonOptions common;
  std::string file;

  template <class Self, class Visitor>
  static void fields(Self& self, Visitor& visit) {
    using core::Field;
    CommonOptions::fields(self.common, visit);
    core::begin_group(visit, "Show");
    visit(Field{"file", "run directory, or a profile, plan, run, evaluation or trials as JSON"},
        self.file);
  }

  std::vector<std::string> problems() const;
};

// Within the terminal's width, 80 columns at most and 40 at least; coloured only on a terminal, and
// not where NO_COLOR is set. Runs that go on are shown as far as they are. Throws Error.
int show_command(const ShowOptions& options, core::Progress& progress);

}  // namespace salf::tools
