// Each document's loss, and a name that other runs know it by: what salf compare pairs.
#pragma once

#include <filesystem>
#include <optional>
#include <vector>

#include "app/session/session.h"
#include "core/progress.h"
#include "data/rows/dataset.h"
#include "train/evaluate.h"
#include "train/run/run_observer.h"
#include "types/evaluation.h"
#include "types/layer_profile.h"

namespace salf::app {

// Of the session's model; nothing once core::stop_signal() is set.
std::optional<train::MeasuredLosses> measure_losses(
    const Session& session, const std::vector<std::int64_t>& documents, core::Progress& progress);

// Nothing where it is not finite, or no error can be told.
std::optional<types::LossBefore> loss_before(const train::MeasuredLosses& losses);

// Nothing for more than types::DocumentLosses::kMost documents.
std::optional<types::DocumentLosses> named_losses(
    const data::Dataset& dataset, const std::vector<train::DocumentLoss>& losses);

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
