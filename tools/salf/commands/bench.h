// salf bench: compares the plan with its control arms at equal budget on a virtual clock.
#pragma once

#include <string>
#include <vector>

#include "app/bench/bench_options.h"
#include "commands/common_options.h"
#include "core/progress.h"

namespace salf::tools {

struct BenchCommandOptions {
  CommonOptions common;
  app::BenchOptions bench;

  template <class Self, class Visitor>
  static void fields(Self& self, Visitor& visit) {
    CommonOptions::fields(self.common, visit);
    app::BenchOptions::fields(self.bench, visit);
  }

  std::vector<std::string> problems() const { return bench.problems(); }
};

// Returns 0, or 128 + n after signal n (the arm that was running is done again next time). Throws
// Error.
int bench_command(const BenchCommandOptions& options, core::Progress& progress);

}  // namespace salf::tools
