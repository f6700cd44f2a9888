#include "app/evidence/analysis_price.h"

#include <algorithm>
#include <cmath>

#include "app/planning/planning.h"
#include "core/error.h"
#include "core/text.h"
#include "cost/estimate.h"

namespace salf::app {
namespace {

constexpr double kFewestMeasured = 16.0;  // documents of a short run
// Measuring a document takes this share of the seconds of training on it.
constexpr double kMeasuringShare = 0.5;

}  // namespace

double analysis_flops(const types::LayerProfile& profile, double row_length) {
  double positions = 0.0;
  for (const auto& deviation : profile.deviations) {
    if (deviation.measure == types::Measure::kLoss)
      positions = static_cast<double>(deviation.positions);
  }
  positions *= static_cast<double>(profile.shape.blocks + 1);
  if (profile.loss_before) positions += static_cast<double>(profile.loss_before->positions);
  return cost::evaluation_flops(
      profile.shape, {static_cast<double>(profile.tokens), positions, row_length});
}

void check_analysis_fits(const Session& session, const types::Budget& budget, double spent_seconds,
    std::int64_t documents) {
  const std::string text = "the budget of " + types::format_budget(budget);
  if (!budget.deterministic() &&
      spent_seconds >= (1.0 - policy::kTimeMargin) * budget.clock_seconds()) {
    throw Error(ErrorKind::kBudget,
        text + " was over before anything was measured: " + core::format_seconds(spent_seconds) +
            " went by while model and data were read");
  }
  if (budget.unit != types::BudgetUnit::kFlops) return;
  double tokens = 0.0, squares = 0.0, all = 0.0;
  for (const std::int64_t place : session.dataset->indices(data::Split::kTrain)) {
    const auto length =
        static_cast<double>(session.dataset->documents[static_cast<std::size_t>(place)].ids.size());
    tokens += length;
    squares += length * length;
    all += 1.0;
  }
  const double drawn = tokens * std::min(1.0, static_cast<double>(documents) / std::max(1.0, all));
  const double needed =
      cost::evaluation_flops(session.shape(), {drawn, 0.0, tokens > 0.0 ? squares / tokens : 0.0});
  if (needed < budget.amount) return;
  throw Error(ErrorKind::kBudget, text + " would be over with the analysis: measuring " +
                                      core::format_count(documents) + " documents takes about " +
                                      core::format_flops(needed) +
                                      "; a smaller --documents takes less");
}

std::optional<double> counted_epochs(
    const types::Budget& budget, std::int64_t accumulate, const data::Batcher& train_rows) {
  if (train_rows.rows() == 0) return std::nullopt;
  switch (budget.unit) {
    case types::BudgetUnit::kSteps:
      return budget.amount * static_cast<double>(accumulate) /
             static_cast<double>(train_rows.in_order().size());
    case types::BudgetUnit::kTokens:
      return budget.amount / static_cast<double>(train_rows.real_tokens());
    case types::BudgetUnit::kEpochs: return budget.amount;
    default: return std::nullopt;
  }
}

calibration::CalibrationOptions short_calibration(
    calibration::CalibrationOptions asked, std::optional<double> trained_documents) {
  asked.stability = 0.0;
  if (!trained_documents || asked.documents != calibration::CalibrationOptions{}.documents)
    return asked;
  const double share = kProfileShare / kMeasuringShare * *trained_documents;
  asked.documents =
      std::llround(std::clamp(share, kFewestMeasured, static_cast<double>(asked.documents)));
  return asked;
}

}  // namespace salf::app
