// salf analyze: at which layer does this model, on this data, turn to the right word?
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "calibration/calibrate.h"
#include "common_options.h"
#include "core/progress.h"
#include "data/rows/dataset.h"
#include "session.h"
#include "types/layer_profile.h"

namespace salf::tools {

struct AnalyzeOptions {
  CommonOptions common;
  ModelOptions model;
  FrozenOptions frozen;
  data::DataOptions data;
  calibration::CalibrationOptions calibration;
  std::int64_t batch_tokens = 1024;
  std::string output = "profile.json";

  template <class Self, class Visitor>
  static void fields(Self& self, Visitor& visit) {
    using core::Field;
    CommonOptions::fields(self.common, visit);
    ModelOptions::fields(self.model, visit);
    FrozenOptions::fields(self.frozen, visit);
    data::DataOptions::fields(self.data, visit);
    calibration::CalibrationOptions::fields(self.calibration, visit);
    visit(Field{"batch_tokens", "tokens of a batch at most, padding included"}.range(1, 1e9),
        self.batch_tokens);
    visit(Field{"output", "file to write the profile to"}, self.output);
  }

  // Everything that is missing or contradictory, one message each (ranges: core::range_problems).
  std::vector<std::string> problems() const;
};

// What a calibration pass needs besides an open model and its data.
struct AnalyzeRequest {
  calibration::CalibrationOptions calibration;
  std::int64_t batch_tokens = 1024;
  std::uint64_t seed = 1;
  DataType dtype = DataType::kFloat32;
  std::string model_path, data_path;  // as given, for the record
  std::optional<double> seconds;      // calibration::CalibrationSetting::seconds
};

// The whole profile (also for train). Nothing if a stop signal came. Throws as
// calibration::calibrate does. REQUIRES: the session has a tokenizer
std::optional<types::LayerProfile> analyze(const ModelSession& session,
    const data::Dataset& dataset, const AnalyzeRequest& request, core::Progress& progress);

// Writes the profile and prints it. Returns the exit code: 0, or 128 + n after signal n (nothing is
// written then). Throws Error. REQUIRES: check_options (flags.h) found no problem
int analyze_command(const AnalyzeOptions& options, core::Progress& progress);

}  // namespace salf::tools
