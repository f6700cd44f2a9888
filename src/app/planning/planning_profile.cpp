// The profile among a plan's evidence: whether it is needed, and what measures it.
#include "app/evidence/analysis.h"
#include "app/evidence/later_profile.h"
#include "app/planning/planning.h"
#include "app/session/frozen_blocks.h"

namespace salf::app {

bool Planning::find_profile() {
  if (has_profile_) return true;
  if (!request_.profile) check_time_is_left(request_.budget, spent_seconds());
  if (!request_.profile && !needs_profile()) {
    evidence_.profile.shape = session_.shape();
    evidence_.profile.provenance = session_.provenance();
    return has_profile_ = true;
  }
  std::optional<types::LayerProfile> profile =
      request_.profile ? std::move(request_.profile) : analyze();
  if (!profile) return false;
  evidence_.profile = std::move(*profile);
  return has_profile_ = true;
}

std::optional<types::LayerProfile> Planning::analyze() const {
  AnalysisRequest request;
  request.ranks = request_.ranks;
  request.calibration = calibration();
  const types::Budget& budget = request_.budget;
  check_analysis_fits(session_, budget, request.calibration.documents);
  if (!budget.deterministic())
    request.seconds = (reads_profile() ? kAnalysisShare : kProfileShare) * budget.clock_seconds();
  const QuantizedSession quantized =
      quantize_blocks(request_.frozen, session_, session_.graph->map().blocks);
  return app::analyze(quantized.session, request, progress_);
}

bool Planning::reads_profile() const {
  return types::reads_profile(limits_.rule) || limits_.rule == types::Rule::kBudget ||
         limits_.stages > 1;
}

calibration::CalibrationOptions Planning::calibration() const {
  if (reads_profile() || !request_.calibration.basis_vocabulary.empty())
    return request_.calibration;
  return report_calibration(
      session_, request_.calibration, request_.budget, request_.batches.accumulate);
}

// Beside the rules that read it: by the loss before where the run's evaluations do not tell it, and
// by a budget in FLOPs, which pays for it.
bool Planning::needs_profile() const {
  if (request_.need == EvidenceNeed::kAll || reads_profile()) return true;
  if (!wants_profile(request_.calibration, limits_.rule, request_.budget)) return false;
  const bool evaluates = request_.dev_loss == DevLoss::kOfTheRun &&
                         !session_.dataset->indices(data::Split::kDev).empty();
  return (!evaluates && limits_.rule == types::Rule::kPredicted) ||
         request_.budget.kind() == types::BudgetKind::kWork ||
         !profile_can_follow(session_, request_.frozen, limits_);
}

}  // namespace salf::app
