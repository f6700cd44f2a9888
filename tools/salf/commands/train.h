// salf train: analyzes, plans and tunes within a budget; resumes and replays runs.
#pragma once

#include "app/training/training_request.h"
#include "commands/common_options.h"
#include "ranks.h"

namespace salf::tools {

struct TrainCommandOptions : app::RunOptions {
  CommonOptions common;
  RankOptions ranks;

  template <class Self, class Visitor> static void fields(Self& self, Visitor& visit) {
    CommonOptions::fields(self.common, visit);
    app::RunOptions::fields(self, visit);
    RankOptions::fields(self.ranks, visit);
  }
};

// Returns 0, 1 when a gate failed (the model is saved), or 128 + n when signal n stopped it
// (saved). Throws Error.
int run(const TrainCommandOptions& options, core::Progress& progress);

}  // namespace salf::tools
