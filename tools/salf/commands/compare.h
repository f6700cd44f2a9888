// salf compare: checks that NEW is not worse than BASE beyond limits and noise. Made for CI: a
// regression gives exit code 1.
#pragma once

#include <string>
#include <vector>

#include "app/session/model_options.h"
#include "commands/common_options.h"
#include "core/progress.h"
#include "report/compare/compare.h"

namespace salf::tools {

struct CompareOptions {
  CommonOptions common;
  std::string base;
  std::string new_run;
  report::LimitTexts limits;
  std::string limits_file;
  std::string junit;

  template <class Self, class Visitor>
  static void fields(Self& self, Visitor& visit) {
    using core::Field;
    CommonOptions::fields(self.common, visit);
    visit(Field{"base", "run directory, run.json or evaluation to compare with"}, self.base);
    visit(Field{"new", "the one that must not be worse"}, self.new_run);
    report::LimitTexts::fields(self.limits, visit);
    core::begin_group(visit, "Limits");
    visit(Field{"limits",
              "JSON file with limits (max_loss_increase, …); one that is given as a flag too "
              "must be the same"},
        self.limits_file);
    visit(Field{"junit", "file to write the result to as JUnit's XML"}, self.junit);
  }

  std::vector<std::string> problems() const;
};

// Returns 0, or 1 for a regression. Throws Error.
int compare_command(const CompareOptions& options, core::Progress& progress);

}  // namespace salf::tools
