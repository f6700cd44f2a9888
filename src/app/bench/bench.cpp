#include "app/bench/bench.h"

#include <algorithm>
#include <map>

#include "app/evidence/evaluation.h"
#include "app/training/shared_run.h"
#include "core/log.h"
#include "core/text.h"

namespace salf::app {
namespace {

namespace fs = std::filesystem;

constexpr std::int64_t kEvaluations =
    3;  // of a run on dev: before, in the middle and at the end; of a trial at the end
constexpr double kRateTrialShare = 0.25;  // of the longest budget, for a trial of a learning rate

}  // namespace

Bench::Bench(
    const BenchOptions& options, bool replace, core::Progress& progress, distributed::Group* ranks)
    : options_(options), replace_(replace), progress_(progress), ranks_(ranks),
      folder_(open_run_folder(ranks, options.output, true, "bench.json")),
      folder_path_(options.output),
      session_(open_model(options.model, true, AdapterUse::kMerge, /*scratch=*/{}, ranks)) {
  open_data(session_, options.data, options.batch, progress, ranks);
  check_alike(ranks, session_, core::to_json(options));
  for (const std::string& arm : options.arms) {
    arms_.push_back(parse_arm(arm));
    arm_cut(arms_.back(), session_.graph->map().blocks);
  }
}

bool Bench::run() {
  if (!begin() || !score_untuned()) return false;
  for (std::int64_t seed = 0; seed < options_.seeds; ++seed) {
    for (const BenchArm& arm : arms_) {
      if (!run_lengths(arm, options_.model.seed + seed)) return false;
    }
  }
  return true;
}

const BenchRow* Bench::find(
    const std::vector<BenchRow>& rows, const BenchRow& like, bool by_rate) const {
  for (const BenchRow& row : rows) {
    if (row_key(row) == row_key(like) && (!by_rate || row.rate_factor == like.rate_factor))
      return &row;
  }
  return nullptr;
}

BenchRow Bench::row_of(const BenchArm& arm, double minutes, std::int64_t seed) const {
  BenchRow row;
  row.data =
      options_.name.empty() ? fs::path(options_.data.data.front()).stem().string() : options_.name;
  row.arm = arm_word(arm);
  row.name = arm_text(arm);
  row.minutes = minutes;
  row.seed = seed;
  row.blocks = prices_.shape.blocks;
  return row;
}

bool Bench::score_untuned() {
  BenchRow row = row_of({}, 0.0, 0);
  row.arm = row.name = "untuned";
  if (find(record_.rows, row, false) != nullptr) return true;
  if (!score(session_, row)) return false;
  record_.rows.push_back(row);
  save();
  return true;
}

// Test loss, untimed; writes the documents' losses.
bool Bench::score(const Session& session, BenchRow& row) const {
  std::vector<std::int64_t> documents = session.dataset->indices(data::Split::kTest);
  if (options_.test_documents > 0) {
    documents = data::sample_documents(
        *session.dataset, data::Split::kTest, options_.test_documents, session.seed());
  }
  if (documents.empty())
    throw Error(
        ErrorKind::kBadInput, session_.data_path + ": the test split has no documents to score");
  const auto measured = measure_losses(session, documents, progress_, ranks_);
  if (!measured) return false;
  row.test_loss = measured->evaluation.loss.value;
  if (std::isfinite(measured->evaluation.standard_error))
    row.test_se = measured->evaluation.standard_error;
  if (!leads(ranks_)) return true;
  DocumentLosses losses;
  for (const auto& sum : measured->documents) {
    losses.document.push_back(sum.document);
    losses.loss.push_back(sum.loss);
    losses.tokens.push_back(sum.tokens);
  }
  fs::create_directories(file("losses"));
  core::write_document(file("losses") / (row_key(row) + ".json"), losses);
  return true;
}

bool Bench::run_lengths(const BenchArm& arm, std::int64_t seed) {
  for (Trunk& trunk : missing(arm, seed)) {
    const BenchRow& longest = trunk.lengths.back().row;
    const std::optional<double> factor =
        arm.kind == ArmKind::kPlan ? std::optional(1.0) : best_rate(arm, longest);
    if (!factor) return false;
    for (auto& length : trunk.lengths) length.row.rate_factor = *factor;
    core::log_info(row_key(longest) + " (" + std::to_string(longest.cut) + " blocks frozen)");
    if (!run_trunk(trunk)) return false;
  }
  return true;
}

std::vector<Bench::Trunk> Bench::missing(const BenchArm& arm, std::int64_t seed) const {
  std::map<std::string, Trunk> trunks;
  std::vector<double> ascending = options_.minutes;
  std::sort(ascending.begin(), ascending.end());
  for (const double minutes : ascending) {
    BenchRow row = row_of(arm, minutes, seed);
    if (find(record_.rows, row, false) != nullptr) continue;
    const double budget = 60.0 * minutes;
    const bool plan = arm.kind == ArmKind::kPlan;
    const double paid =
        plan ? planning_seconds(session_, options_, prices_, budget, progress_, ranks_) : 0.0;
    const BenchArm trained =
        plan ? planned_arm(session_, options_, prices_, minutes, paid, progress_, ranks_) : arm;
    row.cut = arm_cut(trained, row.blocks);
    if (plan) row.chose = arm_text(trained);
    Trunk& trunk = trunks[arm_text(trained)];
    trunk.arm = trained;
    trunk.lengths.push_back(
        {row, prices_.steps_within(trained, row, options_.redraw, budget - paid)});
  }
  std::vector<Trunk> all;
  for (auto& [name, trunk] : trunks) all.push_back(std::move(trunk));
  return all;
}

ArmSetup Bench::arm_setup() const {
  return {session_, options_.train, options_.lora, options_.dev_documents, folder_path_,
      options_.redraw, ranks_};
}

bool Bench::run_trunk(Trunk& trunk) {
  const BenchRow& longest = trunk.lengths.back().row;
  ArmRun run{trunk.arm, longest.cut, longest.seed, longest.rate_factor, {},
      options_.dev_documents > 0 ? kEvaluations : 0, {}};
  for (const Length& length : trunk.lengths) run.steps.push_back(length.steps);
  std::size_t next = 0;
  bool stopped = false;
  const auto done = [&](const types::RunRecord& record, const Session& session) {
    BenchRow& row = trunk.lengths[next++].row;
    fill(trunk.arm, record, row);
    stopped = stopped || !score(session, row);
    if (stopped) return;
    record_.rows.push_back(row);
    save();
  };
  return app::run_arm(arm_setup(), run, done, progress_) && !stopped;
}

std::optional<double> Bench::best_rate(const BenchArm& arm, const BenchRow& row) {
  if (options_.rates.empty()) return 1.0;
  if (options_.rates.size() == 1) return options_.rates.front();
  const double longest = *std::max_element(options_.minutes.begin(), options_.minutes.end());
  double best = options_.rates.front(), lowest = std::numeric_limits<double>::infinity();
  for (const double factor : options_.rates) {
    BenchRow trial = row_of(arm, longest, options_.model.seed);
    trial.cut = row.cut;
    trial.rate_factor = factor;
    if (find(record_.trials, trial, true) == nullptr && !run_trial(arm, trial)) return std::nullopt;
    const double loss = find(record_.trials, trial, true)->dev_loss.value_or(lowest);
    if (loss >= lowest) continue;
    lowest = loss;
    best = factor;
  }
  return best;
}

bool Bench::run_trial(const BenchArm& arm, const BenchRow& trial) {
  core::log_info(row_key(trial) + ": a trial of " + core::format_number(trial.rate_factor) +
                 " times the rule's rate");
  const std::int64_t steps =
      prices_.steps_within(arm, trial, options_.redraw, 60.0 * trial.minutes * kRateTrialShare);
  const ArmRun run{arm, trial.cut, trial.seed, trial.rate_factor, {steps}, 1, {}};
  const auto done = [&](const types::RunRecord& record, const Session&) {
    BenchRow row = trial;
    fill(arm, record, row);
    record_.trials.push_back(row);
    save();
  };
  return app::run_arm(arm_setup(), run, done, progress_);
}

void Bench::fill(const BenchArm& arm, const types::RunRecord& run, BenchRow& row) const {
  row.learning_rate = run.learning_rate;
  row.steps = run.steps;
  row.tokens = run.tokens;
  row.supervised_tokens = run.supervised_tokens;
  row.unique_tokens = std::min(run.supervised_tokens, record_.data.supervised_tokens);
  row.seconds = run.measured_seconds.total();
  if (run.best) row.dev_loss = run.best->loss;
  row.virtual_seconds = prices_.seconds(arm, row, options_.redraw);
  if (run.status == types::RunStatus::kDiverged)
    core::log_warning(row_key(row) + ": diverged; its best weights are scored");
}

}  // namespace salf::app
