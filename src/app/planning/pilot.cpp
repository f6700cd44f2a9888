#include "app/planning/pilot.h"

#include <algorithm>
#include <cmath>

#include "core/error.h"
#include "core/log.h"

namespace salf::app {
namespace {

constexpr std::int64_t kFewestDocuments = 8;  // of train, and of dev

double seconds_of_steps(const types::CostBreakdown& seconds) {
  return seconds.total() - seconds.evaluation - seconds.fixed;
}

}  // namespace

double pilot_share(const std::string& text) {
  const std::optional<double> share = types::parse_share(text);
  if (share && *share > 0.0 && *share < 1.0) return *share;
  throw Error(
      ErrorKind::kUsage, "--pilot: expected a share between 0 and 100%, such as 5%, got \"" +
                             core::printable(text, 40) + "\"");
}

types::Budget pilot_budget(const types::Budget& whole, double share) {
  const bool of_the_sample =
      whole.unit == types::BudgetUnit::kEpochs || whole.unit == types::BudgetUnit::kShare;
  return of_the_sample ? whole : whole.times(share);
}

std::int64_t pilot_min_steps(std::int64_t whole, double share) {
  return std::max<std::int64_t>(1, std::llround(share * static_cast<double>(whole)));
}

data::Dataset pilot_sample(const data::Dataset& all, double share, std::uint64_t seed) {
  std::vector<std::int64_t> kept;
  for (const data::Split split : {data::Split::kTrain, data::Split::kDev, data::Split::kTest}) {
    const auto there = static_cast<std::int64_t>(all.indices(split).size());
    const auto wanted = static_cast<std::int64_t>(std::ceil(share * static_cast<double>(there)));
    const std::int64_t fewest = split == data::Split::kTest ? 0 : std::min(there, kFewestDocuments);
    for (const std::int64_t index :
        data::sample_documents(all, split, std::max(wanted, fewest), seed))
      kept.push_back(index);
  }
  std::sort(kept.begin(), kept.end());
  data::Dataset sample;
  sample.domains = all.domains;
  sample.hash = all.hash;
  sample.chat_template = all.chat_template;
  sample.template_source = all.template_source;
  sample.turn_end = all.turn_end;
  sample.report = all.report;
  for (const std::int64_t index : kept) {
    sample.documents.push_back(all.documents[static_cast<std::size_t>(index)]);
    sample.splits.push_back(all.splits[static_cast<std::size_t>(index)]);
  }
  return sample;
}

Session pilot_session(const Session& all, double share) {
  Session session = all;
  session.dataset = std::make_shared<data::Dataset>(pilot_sample(*all.dataset, share, all.seed()));
  const auto count = [](const Session& of) {
    return core::format_count(static_cast<std::int64_t>(of.dataset->documents.size()));
  };
  core::log_info("pilot on " + count(session) + " of " + count(all) + " documents");
  return session;
}

types::PilotRecord pilot_record(double share, const data::Dataset& sample, const data::Dataset& all,
    const types::FreezePlan& full) {
  types::PilotRecord record;
  record.share = share;
  record.documents = static_cast<std::int64_t>(sample.documents.size());
  record.all_documents = static_cast<std::int64_t>(all.documents.size());
  record.full_cut = full.cut;
  record.full_steps = full.steps;
  record.full_seconds = full.predicted_seconds.total();
  record.full_flops = full.predicted_flops.total();
  return record;
}

void add_pace(types::RunRecord& run, const types::FreezePlan& full) {
  const double predicted = seconds_of_steps(run.plan.predicted_seconds);
  if (run.steps < 1 || run.plan.steps < 1 || !(predicted > 0.0)) return;
  types::PilotRecord& pilot = *run.pilot;
  const double a_step = seconds_of_steps(run.measured_seconds) / static_cast<double>(run.steps);
  pilot.pace = a_step / (predicted / static_cast<double>(run.plan.steps));
  pilot.full_steps_at_pace = full.steps;
  pilot.full_seconds_at_pace = pilot.full_seconds;
  if (full.budget.deterministic()) {
    *pilot.full_seconds_at_pace += (*pilot.pace - 1.0) * seconds_of_steps(full.predicted_seconds);
  } else if (*pilot.pace > 0.0) {
    const double steps = std::floor(static_cast<double>(full.steps) / *pilot.pace);
    pilot.full_steps_at_pace = static_cast<std::int64_t>(
        full.most_steps > 0 ? std::min(steps, static_cast<double>(full.most_steps)) : steps);
  }
}

}  // namespace salf::app
