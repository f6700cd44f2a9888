// The analysis: one calibration pass over a model and its data gives the whole profile.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "app/session.h"
#include "calibration/calibrate.h"
#include "core/progress.h"
#include "data/rows/dataset.h"
#include "types/layer_profile.h"

namespace salf::app {

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

}  // namespace salf::app
