// salf analyze: measures every layer against the semantic basis of the vocabulary.
#pragma once

#include "app/session/model_options.h"
#include "calibration/calibrate.h"
#include "commands/common_options.h"
#include "core/progress.h"
#include "data/rows/dataset.h"
#include "ranks.h"

namespace salf::tools {

struct AnalyzeOptions {
  CommonOptions common;
  app::ModelOptions model;
  app::FrozenOptions frozen;
  data::DataOptions data;
  calibration::CalibrationOptions calibration;
  std::int64_t batch_tokens = 1024;
  std::string output = "profile.json";
  RankOptions ranks;

  template <class Self, class Visitor> static void fields(Self& self, Visitor& visit) {
    CommonOptions::fields(self.common, visit);
    app::ModelOptions::fields(self.model, visit);
    app::FrozenOptions::fields(self.frozen, visit);
    data::DataOptions::fields(self.data, visit);
    calibration::CalibrationOptions::fields(self.calibration, visit);
    core::begin_group(visit, "Profile");
    visit(
        Field{"batch_tokens", "tokens of a batch at most, padding included"}.common().range(1, 1e9),
        self.batch_tokens);
    visit(Field{"output", "file to write the profile to"}.common(), self.output);
    RankOptions::fields(self.ranks, visit);
  }

  // Everything that is missing or contradictory, one message each (ranges: core::range_problems).
  std::vector<std::string> problems() const;
};

// Writes the profile and prints it. Returns the exit code: 0, or 128 + n after signal n (nothing is
// written then). Throws Error. REQUIRES: check_options (flags.h) found no problem
int run(const AnalyzeOptions& options, core::Progress& progress);

}  // namespace salf::tools
