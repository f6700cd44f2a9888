// The profile of a run whose plan needs none. It goes into the report, and is made after the
// training, so that the first step does not wait for it.
#pragma once

#include "app/evidence/analysis.h"
#include "app/session/session.h"
#include "policy/plan.h"
#include "types/freeze_plan.h"

namespace salf::app {

// Whether a profile is made for the report: not where rule and budget fix cut and steps, unless the
// options of the analysis are not the usual ones.
bool wants_profile(const calibration::CalibrationOptions& calibration, types::Rule rule,
    const types::Budget& budget);

// Whether the layers can be measured after the run, when the model is opened anew: without an
// adapter, blocks in few bits or a limit of memory.
bool profile_can_follow(const Session& session, FrozenType frozen, const policy::Limits& limits);

// What is measured where only the report needs it.
calibration::CalibrationOptions report_calibration(const Session& session,
    const calibration::CalibrationOptions& asked, const types::Budget& budget,
    std::int64_t accumulate);

// Of a budget by the clock, what is left after `spent` seconds, as long as it lasts on a machine
// that stays as busy as it was: less where the run's steps took longer than was planned. Nothing of
// another budget.
std::optional<double> seconds_left(const types::RunRecord& record, double spent);

class LaterProfile {
 public:
  // `opening`: seconds that opening the model took.
  LaterProfile(calibration::CalibrationOptions asked, double opening)
      : asked_(std::move(asked)), opening_(opening) {}

  // Whether this plan has no profile and wants one.
  bool follows(const types::FreezePlan& plan) const;
  // Seconds of a budget by the clock that the training leaves for it: what it is predicted to take,
  // by the plan's timing, if that is no more than kProfileShare.
  double reserve(const types::FreezePlan& plan) const;
  // Opens the session's model anew, as its archive has it, and measures it. The session has no
  // model afterwards. Nothing, logged, where less than `left` seconds are predicted to do (not set:
  // no clock) or the archive has changed, and nothing once core::stop_signal() is set. Throws as
  // open_model and analyze do. `ranks` (null: this process alone) measure together.
  std::optional<types::LayerProfile> measure(Session& session, const types::FreezePlan& plan,
      const std::optional<double>& left, core::Progress& progress,
      distributed::Group* ranks = nullptr) const;

 private:
  double seconds(const types::FreezePlan& plan) const;

  calibration::CalibrationOptions asked_;
  double opening_;
};

}  // namespace salf::app
