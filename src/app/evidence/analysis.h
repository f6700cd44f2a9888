// The analysis: one calibration pass over a model and its data gives the whole profile.
#pragma once

#include <optional>

#include "app/session/session.h"
#include "calibration/calibrate.h"
#include "core/progress.h"
#include "types/layer_profile.h"

namespace salf::app {

struct AnalysisRequest {
  calibration::CalibrationOptions calibration{};
  std::optional<double> seconds{};  // calibration::CalibrationSetting::seconds
};

// Nothing once core::stop_signal() is set. Throws as calibration::calibrate does. REQUIRES: the
// session has a tokenizer and data
std::optional<types::LayerProfile> analyze(
    const Session& session, const AnalysisRequest& request, core::Progress& progress);

}  // namespace salf::app
