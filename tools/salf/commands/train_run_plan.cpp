#include <utility>

#include "app/analysis.h"
#include "app/document_losses.h"
#include "app/pilot.h"
#include "app/trials.h"
#include "commands/analyze.h"
#include "commands/train_run.h"
#include "core/clock.h"
#include "core/error.h"
#include "core/log.h"
#include "cost/money.h"
#include "text/trials_text.h"
#include "types/validate.h"

namespace salf::tools {
namespace {

namespace fs = std::filesystem;

}  // namespace

std::optional<types::FreezePlan> TrainRun::find_plan() {
  std::optional<types::FreezePlan> plan = given_plan();
  lora_ = app::start_lora(
      plan ? plan->lora : options_.lora.settings(), options_.model.adapter, session_, seed());
  app::wanted_cut(lora_, planning_.cut);  // before anything long starts
  if (lora_) session_.graph = session_.graph->with_lora(lora_->branches);
  if (plan) return plan;
  plan = make_plan();
  if (plan && !lora_) lora_ = app::start_lora(plan->lora, "", session_, seed());
  return plan;
}

std::optional<types::FreezePlan> TrainRun::given_plan() {
  if (origin_) {
    pilot_ = origin_->record.pilot;
    return origin_->record.plan;
  }
  if (options_.plan.empty()) return std::nullopt;
  types::FreezePlan plan = types::read_plan(options_.plan);
  app::check_made_for(plan.provenance, session_, dataset_, options_.plan);
  app::check_affordable(plan);
  return plan;
}

std::optional<types::FreezePlan> TrainRun::make_plan() {
  const std::optional<types::LayerProfile> profile = find_profile();
  if (!profile) return std::nullopt;
  app::PlanRequest request;
  request.planning = planning_;
  request.batch = options_.batch;
  request.seed = seed();
  request.dtype = options_.model.dtype;
  request.cache = !options_.train.no_cache;
  request.recompute = options_.train.recompute;
  request.scratch = folder_.path();
  request.lora = lora_;
  // Not where blocks are quantized: the run's first evaluation sees another model.
  if (options_.frozen.frozen_dtype == app::FrozenOptions{}.frozen_dtype)
    request.first_evaluation = policy::FirstEvaluation::kBeforeThePlan;
  request.beside =
      app::lora_beside(options_.lora, planning_, options_.model.adapter, session_, seed());
  const app::MethodCosts costs = app::time_methods(session_, dataset_, request, energy_, progress_);
  const auto plan_now = [&] {
    request.spent_seconds = core::process_seconds();
    types::FreezePlan plan =
        app::make_run_plan(session_, dataset_, *profile, request, costs, energy_);
    app::check_affordable(plan);
    return plan;
  };
  types::FreezePlan plan = plan_now();
  if (plan.evaluations > 1 && request.first_evaluation == policy::FirstEvaluation::kBeforeThePlan) {
    const std::vector<std::int64_t> dev = app::dev_documents(dataset_, plan.data.dev_documents);
    before_ = app::measure_losses(
        session_, dataset_, dev, options_.batch, options_.model.dtype, progress_);
    if (!before_) return std::nullopt;
    request.before = app::loss_before(*before_);
    request.first_evaluation = policy::FirstEvaluation::kDone;
    request.evaluated = plan.data.dev_documents;
    plan = plan_now();
  }
  if (std::optional<types::TrialTable> trials = run_trials(plan)) {
    core::write_document(file("trials.json"), *trials);
    request.trials = std::move(trials);
    plan = plan_now();
  }
  if (!options_.pilot.empty()) plan_the_whole(*profile, request, costs);
  // Not before: a run that was refused leaves nothing behind.
  core::write_document(file("profile.json"), *profile);
  return plan;
}

std::optional<types::TrialTable> TrainRun::run_trials(const types::FreezePlan& plan) const {
  const app::PlanningOptions& planning = options_.planning;
  if (!prediction_decides() || planning.no_trials || !planning.trials.empty() ||
      options_.data.data == "-")
    return std::nullopt;
  const std::vector<app::TrialRequest> arms = app::choose_trials(plan, !planning.learning_rate);
  if (arms.empty()) return std::nullopt;
  types::TrialTable table;
  table.steps = app::kTrialSteps;
  table.provenance = record_provenance();
  const data::Dataset& dataset = options_.pilot.empty() ? dataset_ : all_;
  const app::ArmSetup setup{options_.model, dataset, options_.batch, options_.train,
      app::kUsualLora, plan.data.dev_documents, 1, folder_.path()};
  try {
    app::run_trials(
        setup, arms, session_, table, options_.pilot.empty() ? before_ : std::nullopt, progress_);
  } catch (const app::ArmStopped&) {
    throw;
  } catch (const Error& error) {
    core::log_warning(std::string("no trials: ") + error.what());
    return std::nullopt;
  }
  core::log_info(trials_text(table));
  return table;
}

void TrainRun::plan_the_whole(
    const types::LayerProfile& profile, app::PlanRequest request, const app::MethodCosts& costs) {
  request.planning = options_.planning;
  request.first_evaluation = policy::FirstEvaluation::kInTheRun;
  const types::FreezePlan full =
      app::make_run_plan(session_, all_, profile, request, costs, energy_);
  app::check_affordable(full);
  pilot_ = app::pilot_record(app::pilot_share(options_.pilot), dataset_, all_, full);
  core::write_document(file(kFullPlan), full);
}

std::optional<types::LayerProfile> TrainRun::find_profile() {
  if (!options_.profile.empty()) {
    types::LayerProfile profile = types::read_profile(options_.profile);
    app::check_made_for(profile.provenance, session_, dataset_, options_.profile);
    return profile;
  }
  app::AnalyzeRequest request;
  request.calibration = calibration();
  request.batch_tokens = options_.batch.batch_tokens;
  request.seed = seed();
  request.dtype = options_.model.dtype;
  request.model_path = options_.model.model;
  request.data_path = options_.data.data;
  const types::Budget budget = planning_.parsed_budget();
  const double seconds = cost::budget_seconds(budget, energy_.rates());
  app::check_room_for_analysis(
      session_, dataset_, budget, seconds, core::process_seconds(), request.calibration.documents);
  if (!budget.deterministic())
    request.seconds = (reads_profile() ? app::kAnalysisShare : app::kProfileShare) * seconds;
  const auto quantized = app::quantize_blocks(
      options_.frozen.frozen_dtype, session_, dataset_, seed(), session_.graph->map().blocks);
  return app::analyze(quantized.session, dataset_, request, progress_);
}

bool TrainRun::reads_profile() const {
  using types::Rule;
  const Rule rule = app::wanted_cut(lora_, planning_.cut) ? Rule::kFixed : planning_.rule;
  return types::reads_profile(rule) || rule == Rule::kBudget || planning_.stages > 1;
}

calibration::CalibrationOptions TrainRun::calibration() const {
  if (reads_profile() || !options_.calibration.basis_vocabulary.empty())
    return options_.calibration;
  const std::optional<double> epochs =
      app::counted_epochs(planning_, app::train_batcher(session_, dataset_, options_.batch));
  const auto documents = static_cast<double>(dataset_.indices(data::Split::kTrain).size());
  return app::short_calibration(
      options_.calibration, epochs ? std::optional(*epochs * documents) : std::nullopt);
}

bool TrainRun::prediction_decides() const {
  const app::PlanningOptions& planning = options_.planning;
  const bool decides = planning.rule == types::Rule::kPredicted && !planning.cut && !lora_;
  return decides && planning.max_memory.empty() &&
         options_.frozen.frozen_dtype == app::FrozenOptions{}.frozen_dtype;
}

std::shared_ptr<const policy::Predictor> TrainRun::stage_predictor(
    const types::FreezePlan& plan) const {
  policy::Evidence evidence;
  evidence.gradient_agreement = plan.gradient_agreement;
  const auto made_here = [&plan](const types::Provenance& made) {
    return made.model_hash == plan.provenance.model_hash &&
           made.data_hash == plan.provenance.data_hash;
  };
  const fs::path trials =
      options_.planning.trials.empty() ? file("trials.json") : fs::path(options_.planning.trials);
  if (fs::exists(trials)) {
    types::TrialTable table = types::read_trials(trials);
    if (made_here(table.provenance)) evidence.trials = std::move(table);
  }
  return std::make_shared<policy::Predictor>(
      policy::read_prior(options_.planning.prior), plan.shape, evidence);
}

}  // namespace salf::tools
