#include "app/training/training.h"

#include <algorithm>

#include "app/evidence/later_profile.h"
#include "app/evidence/trials.h"
#include "app/generation/run_answers.h"
#include "app/planning/pilot.h"
#include "app/planning/planning.h"
#include "app/session/frozen_blocks.h"
#include "app/session/scratch.h"
#include "app/training/run_planning.h"
#include "app/training/shared_run.h"
#include "app/training/tuning.h"
#include "core/clock.h"
#include "core/files.h"
#include "core/log.h"
#include "cost/energy.h"
#include "distributed/machines.h"
#include "policy/advice.h"
#include "train/run/checkpoint.h"
#include "types/validate.h"

namespace salf::app {
namespace {

namespace fs = std::filesystem;

class Training {
 public:
  Training(const TrainingRequest& request, core::Progress& progress);
  std::optional<types::RunRecord> run(const std::vector<train::RunObserver*>& observers);

 private:
  fs::path file(const char* name) const { return folder_path_ / name; }
  bool writes() const { return leads(request_.ranks); }
  bool resumed() const { return request_.origin && request_.origin->resumed; }
  bool pilot() const { return !options_.pilot.empty(); }
  std::optional<types::FreezePlan> find_plan();
  std::optional<types::FreezePlan> given_plan();
  std::optional<types::FreezePlan> make_plan();
  void plan_the_whole(PlanningRequest request, const policy::Evidence& evidence);
  void describe(const types::FreezePlan& plan, types::RunRecord& record) const;
  types::RunRecord tune(
      const types::FreezePlan& plan, const std::vector<train::RunObserver*>& observers);
  bool profile_follows(const types::FreezePlan& plan) const;
  void add_profile(types::RunRecord& record);
  double spent_of_all(const types::FreezePlan& plan);
  void save(types::RunRecord& record);

  const TrainingRequest& request_;
  const RunOptions& options_;
  core::Progress& progress_;
  types::Budget budget_;  // of the whole
  EnergyWatch energy_;
  std::unique_ptr<core::OutputFolder> folder_;  // null of the ranks that do not lead
  fs::path folder_path_;
  fs::path scratch_;  // for files without a name
  Session session_;   // of a pilot: with the sample
  LaterProfile later_profile_;
  std::optional<Session> all_;  // of a pilot: with everything
  std::optional<types::PilotRecord> pilot_;
  std::optional<train::MeasuredLosses> before_;  // of the run's dev documents, if known
  std::optional<LoraStart> lora_;                // nothing where whole blocks are tuned
};

Training::Training(const TrainingRequest& request, core::Progress& progress)
    : request_(request), options_(request.options), progress_(progress),
      budget_(request.origin || request.plan ? types::Budget{} : options_.planning.parsed_budget()),
      energy_(options_.planning.rates, options_.model, budget_, request.ranks),
      // A resumed run's folder is its own; another one may only be replaced by --force.
      folder_(open_run_folder(request.ranks, options_.output, request.replace || resumed())),
      folder_path_(options_.output), scratch_(scratch_folder(options_.scratch, folder_path_)),
      session_(open_model(options_.model, true, AdapterUse::kKeep,
          scratch_for(options_.frozen.frozen_dtype, scratch_), request.ranks)),
      later_profile_(options_.calibration, core::process_seconds()) {
  open_data(session_, options_.data, options_.batch, progress, request.ranks);
  check_alike(request.ranks, session_, request.recorded);
  check_frozen_type(options_.frozen.frozen_dtype, session_);
  if (pilot()) {
    all_ = session_;
    session_ = pilot_session(*all_, pilot_share(options_.pilot));
  }
  check_gates(options_.gates, session_);
  if (request.origin)
    check_made_for(request.origin->record.provenance, session_, request.origin->file);
}

std::optional<types::RunRecord> Training::run(const std::vector<train::RunObserver*>& observers) {
  if (!resumed() && writes()) train::remove_checkpoints(folder_path_);
  const std::optional<types::FreezePlan> plan = find_plan();
  if (!plan) return std::nullopt;
  if (lora_) session_.graph = session_.graph->with_lora(branches_above(lora_->branches, plan->cut));
  core::log_info(plan->reason);
  if (writes()) {
    core::write_document(file("plan.json"), *plan);
    types::RunRecord opening;
    describe(*plan, opening);
    core::write_document(file("run.json"), opening);
  }
  types::RunRecord record = tune(*plan, observers);
  const distributed::Group::LongWork saving(request_.ranks, "saving");
  save(record);
  return record;
}

std::optional<types::FreezePlan> Training::find_plan() {
  std::optional<types::FreezePlan> plan = given_plan();
  lora_ = start_lora(plan ? plan->lora : options_.lora.settings(), session_);
  wanted_cut(lora_, options_.planning.cut);  // before anything long starts
  if (plan) return plan;
  if (lora_) session_.graph = session_.graph->with_lora(lora_->branches);
  plan = make_plan();
  if (plan && plan->lora && !lora_) lora_ = new_lora(*plan->lora, session_);
  return plan;
}

std::optional<types::FreezePlan> Training::given_plan() {
  if (request_.origin) {
    pilot_ = request_.origin->record.pilot;
    return plan_for(request_.ranks, request_.origin->record.plan);
  }
  if (!request_.plan) return std::nullopt;
  check_made_for(request_.plan->provenance, session_, options_.plan);
  check_affordable(*request_.plan);
  return plan_for(request_.ranks, *request_.plan);
}

std::optional<types::FreezePlan> Training::make_plan() {
  PlanningRequest request =
      planning_request(request_, {budget_, session_, all_ ? &*all_ : nullptr, lora_, folder_path_});
  choose_batch_size(session_, request, progress_);
  if (all_) all_->batch = session_.batch;
  Planning planning(session_, request, &energy_, progress_);
  std::optional<types::FreezePlan> plan = planning.plan();
  if (!plan) return std::nullopt;
  check_affordable(*plan);
  if (request.dev_loss == DevLoss::kOfTheRun) before_ = planning.before();
  if (pilot()) plan_the_whole(request, planning.evidence());
  plan = plan_for(request_.ranks, *plan);
  if (!writes()) return plan;
  // Not before: a run that was refused leaves nothing behind.
  const types::LayerProfile& profile = planning.evidence().profile;
  if (!profile.deviations.empty()) core::write_document(file("profile.json"), profile);
  const auto& trials = planning.evidence().basis.trials;
  if (trials && options_.planning.trials.empty())
    core::write_document(file("trials.json"), *trials);
  return plan;
}

// A pilot is for this: what the whole would take, by the pilot's own evidence.
void Training::plan_the_whole(PlanningRequest request, const policy::Evidence& evidence) {
  request.options = options_.planning;
  request.budget = budget_;
  request.dev_loss = DevLoss::kProfile;
  request.trials.reset();
  Planning planning(*all_, std::move(request), &energy_, progress_);
  planning.take(evidence);
  const types::FreezePlan full = *planning.plan();
  check_affordable(full);
  pilot_ = pilot_record(pilot_share(options_.pilot), *session_.dataset, *all_->dataset, full);
  if (writes()) core::write_document(file(kFullPlan), full);
}

void Training::describe(const types::FreezePlan& plan, types::RunRecord& record) const {
  record.provenance = session_.provenance();
  record.options = request_.recorded;
  record.seed = session_.seed();
  record.plan = plan;
  record.pilot = pilot_;
}

types::RunRecord Training::tune(
    const types::FreezePlan& plan, const std::vector<train::RunObserver*>& observers) {
  TuningRequest request{options_.train, options_.frozen.frozen_dtype, folder_path_,
      request_.recorded, lora_, before_};
  request.ranks = request_.ranks;
  request.scratch = scratch_;
  if (!plan.stages.empty()) {
    const std::string& given = options_.planning.trials;
    request.trials = trials_of(given.empty() ? file("trials.json") : fs::path(given), plan);
  }
  request.prior = options_.planning.prior;
  if (profile_follows(plan)) request.reserved_seconds = later_profile_.reserve(plan);
  RunAnswerKeeper answers({file("answers.json"), options_.answers, options_.data.chat_template,
      resumed(), request_.ranks});
  request.reserved_seconds += answers.before(session_, plan);
  request.gates = types::parse_gates(options_.gates);
  request.resume = resumed();
  if (request_.origin && !resumed()) request.replay = train::replay_of(request_.origin->record);
  request.observers = observers;
  types::RunRecord record = app::tune(session_, plan, request, energy_, progress_);
  if (record.status != types::RunStatus::kInterrupted) answers.after(session_);
  describe(plan, record);
  record.predicted_footprint = plan.footprint;
  return record;
}

// Not of a plan that was given: its profile is elsewhere.
bool Training::profile_follows(const types::FreezePlan& plan) const {
  return !request_.plan && (!request_.origin || resumed()) && later_profile_.follows(plan);
}

// What the layers say, where the budget has the time to measure them.
void Training::add_profile(types::RunRecord& record) {
  types::FreezePlan& plan = record.plan;
  const auto left = seconds_left(record, spent_of_all(plan));
  const auto profile = later_profile_.measure(session_, plan, left, progress_, request_.ranks);
  if (!profile || !writes()) return;
  core::write_document(file("profile.json"), *profile);
  policy::add_profile(*profile, options_.planning.limits(std::nullopt).parameters, plan);
  core::write_document(file("plan.json"), plan);
}

// By the slowest rank's clock, or by all meters.
double Training::spent_of_all(const types::FreezePlan& plan) {
  BudgetClock clock(energy_, plan);
  clock.meet();
  return distributed::greatest(request_.ranks, clock.spent_seconds());
}

// All ranks measure, the first one writes.
void Training::save(types::RunRecord& record) {
  const bool ended = record.status != types::RunStatus::kInterrupted;
  if (ended && writes()) save_model(session_, lora_, folder_path_);
  if (ended && profile_follows(record.plan)) add_profile(record);
  energy_.meet();
  const double spent = spent_of_all(record.plan);
  if (!writes()) return;
  const double measured = record.measured_seconds.total();
  record.measured_seconds.fixed += std::max(0.0, core::process_seconds() - measured);
  const types::Rates rates = record.plan.rates ? *record.plan.rates : energy_.rates();
  record.measured_footprint =
      cost::footprint(rates, record.measured_seconds.total(), energy_.measured());
  record.unused = unused_text(record, spent);
  if (record.pilot && fs::exists(file(kFullPlan)))
    add_pace(record, types::read_plan(file(kFullPlan)));
  core::write_document(file("run.json"), record);
  if (ended) train::remove_checkpoints(folder_path_);
}

}  // namespace

std::optional<types::RunRecord> train(const TrainingRequest& request,
    const std::vector<train::RunObserver*>& observers, core::Progress& progress) {
  return Training(request, progress).run(observers);
}

}  // namespace salf::app
