// salf show: shows a document of salf in the terminal.
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

// Uses the terminal's width, from 40 to 80 columns. A run that goes on is shown as far as it is.
// Throws Error.
int show_command(const ShowOptions& options, core::Progress& progress);

}  // namespace salf::tools
