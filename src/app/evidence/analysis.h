// The analysis: one calibration pass over a model and its data gives the whole profile; what that
// takes of a budget, and how much of it is worth having.
#pragma once

#include "app/session/session.h"
#include "calibration/calibrate.h"
#include "core/progress.h"
#include "types/budget.h"
#include "types/layer_profile.h"

namespace salf::app {

struct AnalysisRequest {
  calibration::CalibrationOptions calibration{};
  std::optional<double> seconds{};      // calibration::CalibrationSetting::seconds
  distributed::Group* ranks = nullptr;  // that share the work, and get the same profile
};

// Nothing once core::stop_signal() is set. Throws as calibration::calibrate does. REQUIRES: the
// session has a tokenizer and data
std::optional<types::LayerProfile> analyze(
    const Session& session, const AnalysisRequest& request, core::Progress& progress);

// FLOPs of the analysis that gave this profile, on rows of this mean length.
double analysis_flops(const types::LayerProfile& profile, double row_length);

// Throws Error(kBudget) where what is spent already leaves nothing of the budget for training.
void check_time_is_left(const types::Budget& budget, double spent_seconds);
// The same where measuring so many documents of the train split does.
void check_analysis_fits(
    const Session& session, const types::Budget& budget, std::int64_t documents);

// Epochs that a budget in steps, tokens or epochs asks for; nothing of another budget, or where
// there are no rows.
std::optional<double> counted_epochs(
    const types::Budget& budget, std::int64_t accumulate, const data::Batcher& train_rows);

// What to measure where no rule reads the profile, which then tells the loss before and goes into
// the report: no documents for the sake of a settled choice, and fewer where so few are trained on
// that the usual sample would take more than its share.
calibration::CalibrationOptions short_calibration(
    calibration::CalibrationOptions asked, std::optional<double> trained_documents);

}  // namespace salf::app
