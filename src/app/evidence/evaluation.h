// How well a model predicts held-out documents and answers their questions; each document's loss,
// with a name that other runs know it by: what salf compare pairs.
#pragma once

#include "app/session/session.h"
#include "core/progress.h"
#include "data/rows/dataset.h"
#include "train/evaluate.h"
#include "train/run/run_observer.h"
#include "types/evaluation.h"
#include "types/layer_profile.h"

namespace salf::app {

// Scores `documents` of the split that are drawn by the session's seed, or all of them for 0. The
// result has each document's loss; there is none once core::stop_signal() is set. Throws
// Error(kBadInput) if the split has no documents. `ranks`: that share the work, null: none.
// REQUIRES: open_data
std::optional<types::EvaluationRecord> evaluate(const Session& session, data::Split split,
    std::int64_t documents, core::Progress& progress, distributed::Group* ranks = nullptr);

// The losses of the session's model on these documents; nothing once core::stop_signal() is set.
std::optional<train::MeasuredLosses> measure_losses(const Session& session,
    const std::vector<std::int64_t>& documents, core::Progress& progress,
    distributed::Group* ranks = nullptr);

// Nothing where it is not finite, or no error can be told.
std::optional<types::LossBefore> loss_before(const train::MeasuredLosses& losses);

// Keeps dev_losses.json beside run.json: written at the first evaluation and at each that is the
// best so far.
class DevLossKeeper : public train::RunObserver {
 public:
  // resumed: what an earlier process wrote is gone on with. The references must outlive this.
  DevLossKeeper(const data::Dataset& dataset, std::filesystem::path file, bool resumed);
  void evaluation(const types::DevEvaluation& evaluation,
      const std::vector<train::DocumentLoss>& documents) override;

 private:
  const data::Dataset& dataset_;
  std::filesystem::path file_;
  types::DevLosses kept_;
  std::optional<double> best_loss_;
};

}  // namespace salf::app
