#include "app/evidence/later_profile.h"

#include <algorithm>

#include "app/planning/planning.h"
#include "core/log.h"
#include "core/text.h"
#include "cost/estimate.h"
#include "distributed/machines.h"

namespace salf::app {
namespace {

// Documents of a rank that are always measured (calibration::CalibrationSetting::seconds).
constexpr double kFewestDocuments = 8.0;
// The semantic basis and the cosines, by the forward pass and the losses.
constexpr double kBesidePasses = 1.5;

}  // namespace

bool wants_profile(const calibration::CalibrationOptions& calibration, types::Rule rule,
    const types::Budget& budget) {
  const bool asked = core::to_json(calibration) != core::to_json(calibration::CalibrationOptions{});
  return asked || !types::is_settled(rule) || !budget.deterministic();
}

bool profile_can_follow(const Session& session, FrozenType frozen, const policy::Limits& limits) {
  return session.options.adapter.empty() && frozen == FrozenType::kFloat32 &&
         !limits.max_memory_bytes;
}

calibration::CalibrationOptions report_calibration(const Session& session,
    const calibration::CalibrationOptions& asked, const types::Budget& budget,
    std::int64_t accumulate) {
  const data::Batcher rows = session.train_rows();
  const auto epochs = counted_epochs(budget, accumulate, rows);
  const auto documents = static_cast<double>(session.dataset->indices(data::Split::kTrain).size());
  return short_calibration(asked, epochs ? std::optional(*epochs * documents) : std::nullopt);
}

std::optional<double> seconds_left(const types::RunRecord& record, double spent) {
  if (record.plan.budget.deterministic()) return std::nullopt;
  const auto of_step = [](const types::CostBreakdown& seconds, std::int64_t steps) {
    return (seconds.total() - seconds.evaluation - seconds.fixed) /
           static_cast<double>(std::max<std::int64_t>(1, steps));
  };
  const double planned = of_step(record.predicted_seconds, record.plan.steps);
  const double measured = of_step(record.measured_seconds, record.steps);
  const double slower = planned > 0.0 ? std::max(1.0, measured / planned) : 1.0;
  return (record.plan.budget.clock_seconds() - spent) / slower;
}

bool LaterProfile::follows(const types::FreezePlan& plan) const {
  const bool has_one = std::any_of(plan.choices.begin(), plan.choices.end(),
      [](const types::RuleChoice& choice) { return types::reads_profile(choice.rule); });
  return !has_one && wants_profile(asked_, plan.rule, plan.budget);
}

double LaterProfile::seconds(const types::FreezePlan& plan) const {
  const types::DataShape& data = plan.data;
  // The plan's costs are those of documents that ranks share.
  const double share = kFewestDocuments * static_cast<double>(plan.shards.value_or(1)) /
                       static_cast<double>(std::max<std::int64_t>(1, data.documents));
  const double losses = 1.0 + asked_.loss_positions * static_cast<double>(plan.shape.blocks + 1);
  const cost::BatchShape batch{share * static_cast<double>(data.padded_tokens),
      share * losses * static_cast<double>(data.supervised_tokens), data.mean_length};
  return opening_ + kBesidePasses * cost::evaluation_seconds(plan.cost, plan.shape.blocks, batch);
}

double LaterProfile::reserve(const types::FreezePlan& plan) const {
  if (plan.budget.deterministic()) return 0.0;
  const double needed = seconds(plan);
  return needed <= kProfileShare * plan.budget.clock_seconds() ? needed : 0.0;
}

std::optional<types::LayerProfile> LaterProfile::measure(Session& session,
    const types::FreezePlan& plan, const std::optional<double>& left, core::Progress& progress,
    distributed::Group* ranks) const {
  // `opening_` is each rank's own.
  if (left && distributed::greatest(ranks, seconds(plan) - *left) > 0.0) {
    core::log_info("no profile.json: measuring the layers takes about " +
                   core::format_seconds(seconds(plan)) + ", " +
                   core::format_seconds(std::max(0.0, *left)) +
                   " of the budget are left; salf analyze makes one");
    return std::nullopt;
  }
  AnalysisRequest request;
  request.ranks = ranks;
  request.calibration = report_calibration(session, asked_, plan.budget, plan.accumulate);
  if (left)
    request.seconds = std::min(kProfileShare * plan.budget.clock_seconds(), *left - opening_);
  session.graph.reset();
  session.model.reset();
  Session untouched = open_model(
      session.options, /*needs_tokenizer=*/true, AdapterUse::kMerge, /*scratch=*/{}, ranks);
  if (untouched.archive_hash != session.archive_hash) {
    core::log_warning("no profile.json: " + core::printable_path(session.files.archive) +
                      " holds another model than before the run");
    return std::nullopt;
  }
  share_data(untouched, session);
  return analyze(untouched, request, progress);
}

}  // namespace salf::app
