#include "commands/train_run.h"

#include <algorithm>
#include <cstdio>
#include <utility>

#include "app/document_losses.h"
#include "app/pilot.h"
#include "app/trials.h"
#include "convert/adapter/peft_adapter.h"
#include "core/clock.h"
#include "core/error.h"
#include "core/log.h"
#include "core/signals.h"
#include "core/text.h"
#include "cost/energy.h"
#include "cost/estimate.h"
#include "model/weights/lora.h"
#include "policy/stages.h"
#include "run_observers.h"
#include "text/footprint_text.h"
#include "text/plan_text.h"
#include "text/show_run.h"
#include "train/run/checkpoint.h"
#include "train/run/trainer.h"
#include "types/validate.h"

namespace salf::tools {
namespace {

namespace fs = std::filesystem;

// Saving once, with room for a disk that is slower than while it was timed, and for closing the
// record.
constexpr double kSavingReserve = 1.5;
constexpr double kClosingSeconds = 1.0;
// Share of a budget by the clock that may be left without a word.
constexpr double kUnusedShare = 0.1;

// RunRecord::unused of a run that has spent so many seconds.
std::string unused_text(const types::RunRecord& record, double spent) {
  const double budget = record.plan.clock_seconds();
  const double left = budget - spent;
  if (record.plan.budget.deterministic() || left <= kUnusedShare * budget) return "";
  const std::string text =
      core::format_seconds(left) + " of " + core::format_seconds(budget) + " were left: ";
  if (record.status == types::RunStatus::kStoppedEarly)
    return text + "the dev loss no longer fell (--patience)";
  if (record.plan.most_steps > 0 && record.steps >= record.plan.most_steps) {
    return text + (record.plan.max_loss_increase
                          ? "no more steps are needed for --max-loss-increase"
                          : "--max-epochs was reached");
  }
  if (record.status != types::RunStatus::kFinished &&
      record.status != types::RunStatus::kBudgetReached)
    return "";
  return text +
         "another step as slow as the slowest lately, the last evaluation and saving might not "
         "have fit";
}

class PlanClock : public train::RunClock {
 public:
  PlanClock(const app::EnergyWatch& energy, const types::FreezePlan& plan)
      : energy_(energy), plan_(plan) {}
  double spent_seconds() const override { return energy_.spent_seconds(plan_); }

 private:
  const app::EnergyWatch& energy_;
  const types::FreezePlan& plan_;
};

class PredictedStages : public train::StageDecider {
 public:
  PredictedStages(std::shared_ptr<const policy::Predictor> predictor, const types::FreezePlan& plan)
      : predictor_(std::move(predictor)), plan_(plan) {}
  types::StageDecision decide(const types::StageEnd& end) override {
    return policy::decide_stage(*predictor_, end, plan_.loss_before);
  }

 private:
  std::shared_ptr<const policy::Predictor> predictor_;
  const types::FreezePlan& plan_;
};

}  // namespace

TrainRun::TrainRun(
    const TrainCommandOptions& options, std::optional<Origin> origin, core::Progress& progress)
    : options_(options), origin_(std::move(origin)), progress_(progress),
      planning_(options.pilot.empty()
                    ? options.planning
                    : app::pilot_planning(options.planning, app::pilot_share(options.pilot))),
      energy_(planning_.rates, options.model,
          origin_ || !options.plan.empty() ? types::Budget{} : planning_.parsed_budget()),
      // A resumed run's folder is its own; a fresh one may only replace another with --force.
      folder_(options.output, "run.json", options.common.force || !options.resume.empty()),
      session_(app::open_model(options.model, true, app::AdapterUse::kKeep,
          app::scratch_for(options.frozen.frozen_dtype, folder_.path()))),
      dataset_(app::open_data(options.data, session_, options.batch, progress)) {
  app::check_frozen_type(options.frozen.frozen_dtype, session_);
  if (!options.pilot.empty()) {
    all_ = std::move(dataset_);
    dataset_ = app::pilot_sample(all_, app::pilot_share(options.pilot), seed());
    core::log_info("pilot on " +
                   core::format_count(static_cast<std::int64_t>(dataset_.documents.size())) +
                   " of " + core::format_count(static_cast<std::int64_t>(all_.documents.size())) +
                   " documents");
  }
  check_gates_can_be_told();
  if (origin_) app::check_made_for(origin_->record.provenance, session_, dataset_, origin_->file);
  if (!options.tensorboard.empty())
    observers_.push_back(std::make_unique<TensorBoardObserver>(options.tensorboard));
  if (options.metrics_port)
    observers_.push_back(std::make_unique<MetricsServer>(*options.metrics_port, options.output));
}

int TrainRun::execute() {
  if (options_.resume.empty()) train::remove_checkpoints(folder_.path());
  std::optional<types::FreezePlan> plan;
  try {
    plan = find_plan();
  } catch (const app::ArmStopped&) {
  }
  if (!plan) return 128 + core::stop_signal();
  if (plan->pack != options_.batch.pack)
    app::expect_rows(session_, dataset_, {plan->batch_tokens, plan->pack});
  if (lora_)
    session_.graph = session_.graph->with_lora(app::branches_above(lora_->branches, plan->cut));
  core::write_document(file("plan.json"), *plan);
  core::log_info(plan->reason);
  types::RunRecord record = opening_record(*plan);
  core::write_document(file("run.json"), record);
  {
    const auto quantized =
        app::quantize_blocks(options_.frozen.frozen_dtype, session_, dataset_, seed(), plan->cut);
    record = tune(*plan, *quantized.session.graph);
  }
  save(record);
  print(record);
  if (record.status == types::RunStatus::kGateFailed)
    return static_cast<int>(ErrorKind::kRegression);
  if (record.status == types::RunStatus::kDiverged) {
    throw Error(ErrorKind::kBadModel,
        "the loss was not finite after step " + std::to_string(record.steps) +
            ": the run has diverged. The best weights until then are in " +
            core::printable(options_.output) + "; try a smaller --learning-rate");
  }
  return record.status == types::RunStatus::kInterrupted
             ? 128 + static_cast<int>(record.exit_signal)
             : 0;
}

void TrainRun::check_gates_can_be_told() const {
  if (!dataset_.indices(data::Split::kDev).empty()) return;
  for (const types::Gate& gate : types::parse_gates(options_.gate)) {
    if (!types::needs_evaluation(gate.metric)) continue;
    throw Error(ErrorKind::kUsage,
        "--gate " + types::format_gate(gate) +
            ": there are no dev documents to evaluate: give a larger --dev-share, "
            "or more rows");
  }
}

types::RunRecord TrainRun::opening_record(const types::FreezePlan& plan) const {
  types::RunRecord record;
  record.provenance = record_provenance();
  record.options = recorded_options();
  record.seed = seed();
  record.plan = plan;
  record.pilot = pilot_;
  return record;
}

types::Provenance TrainRun::record_provenance() const {
  return app::provenance(session_, &dataset_, options_.data.data, options_.model.model);
}

core::Json TrainRun::recorded_options() const {
  TrainCommandOptions options = options_;
  options.common = CommonOptions{};
  options.resume.clear();
  options.replay.clear();
  options.tensorboard.clear();
  options.metrics_port.reset();
  options.output = TrainCommandOptions{}.output;
  return core::to_json(options);
}

train::RunPlace TrainRun::run_place() const {
  const types::Provenance made_by = record_provenance();
  train::RunPlace place;
  place.folder = folder_.path();
  place.identity = {{"model", session_.weights_hash}, {"data", dataset_.hash},
      {"tokenizer", session_.tokenizer->hash()}, {"options", recorded_options()}};
  place.cache_key = {{"model", made_by.model_hash}, {"tokenizer", made_by.tokenizer_hash},
      {"frozen_dtype", core::enum_to_string(options_.frozen.frozen_dtype)},
      {"fitted_to", made_by.data_hash + " " + std::to_string(seed())},  // int8 and int4
      {"salf", made_by.salf_version}, {"torch", made_by.torch_version}};
  return place;
}

types::RunRecord TrainRun::tune(const types::FreezePlan& plan, const model::GraphCut& graph) {
  const std::int64_t padding = session_.tokenizer->padding_id().value_or(0);
  const data::BatchOptions batch{plan.batch_tokens, plan.pack};
  const data::Batcher train_rows = app::train_batcher(session_, dataset_, batch);
  const data::Batcher dev_rows(
      dataset_, app::dev_documents(dataset_, plan.data.dev_documents), batch, padding);
  train::TrainInputs inputs{
      {{*session_.model, graph, train_rows, dev_rows, plan}, {}, run_place()}};
  inputs.run.how = {
      options_.train, seed(), app::autocast_type(options_.model.dtype, session_.device)};
  inputs.resume = !options_.resume.empty();
  inputs.before = before_;
  if (!options_.replay.empty()) inputs.replay = train::replay_of(origin_->record);
  inputs.closing_seconds =
      kSavingReserve * cost::save_seconds(plan.cost, plan.shape) + kClosingSeconds;
  std::optional<PredictedStages> stages;
  if (!plan.stages.empty()) inputs.stages = &stages.emplace(stage_predictor(plan), plan);
  inputs.gates = types::parse_gates(options_.gate);
  const PlanClock clock(energy_, plan);
  inputs.clock = &clock;
  app::DevLossKeeper dev_losses(dataset_, file("dev_losses.json"), !options_.resume.empty());
  inputs.observers.push_back(&dev_losses);
  for (const auto& observer : observers_) inputs.observers.push_back(observer.get());
  types::RunRecord record = train::train(inputs, progress_);
  const types::RunRecord opening = opening_record(plan);
  record.provenance = opening.provenance;
  record.options = opening.options;
  record.seed = opening.seed;
  record.pilot = opening.pilot;
  record.plan = plan;
  record.predicted_seconds = plan.predicted_seconds;
  record.predicted_flops = plan.predicted_flops.total();
  record.predicted_footprint = plan.footprint;
  return record;
}

void TrainRun::save(types::RunRecord& record) {
  if (record.status != types::RunStatus::kInterrupted) {
    if (lora_) save_adapter();
    session_.model->save(file("model.pt"));
    model::ModelCard card = session_.files.card;
    card.blocks = session_.graph->map().container;
    card.source = session_.files.archive.string();
    card.source_hash = session_.weights_hash;
    card.weights_hash.clear();
    model::write_model_files(folder_.path(), session_.files, card);
  }
  const double measured = record.measured_seconds.total();
  record.measured_seconds.fixed += std::max(0.0, core::process_seconds() - measured);
  const types::Rates rates = record.plan.rates ? *record.plan.rates : energy_.rates();
  record.measured_footprint =
      cost::footprint(rates, record.measured_seconds.total(), energy_.measured());
  record.unused = unused_text(record, energy_.spent_seconds(record.plan));
  if (record.pilot && fs::exists(file(kFullPlan)))
    app::add_pace(record, types::read_plan(file(kFullPlan)));
  core::write_document(file("run.json"), record);
  if (record.status != types::RunStatus::kInterrupted) train::remove_checkpoints(folder_.path());
}

void TrainRun::save_adapter() {
  const std::vector<model::LoraLayer> branches = session_.graph->lora();
  if (lora_->settings.whole) {
    core::log_info(
        "no adapter is written, since whole blocks were tuned as well: model.pt has everything");
  } else {
    fs::create_directories(file("adapter"));
    convert::write_peft_adapter(file("adapter"), *session_.model, *session_.graph, branches,
        lora_->settings, {options_.model.model, session_.archive_hash});
  }
  session_.graph = session_.graph->with_lora({});
  model::merge_lora(*session_.model, branches);
}

void TrainRun::print(const types::RunRecord& record) const {
  if (options_.common.json) {
    std::fputs(core::format_json(core::to_json(record)).c_str(), stdout);
    return;
  }
  const auto loss = [](const types::DevEvaluation& evaluation) {
    return core::format_number(evaluation.loss) + " ± " +
           core::format_number(evaluation.standard_error, 2);
  };
  std::fputs(plan_summary(record.plan).c_str(), stdout);
  std::printf("%-16s%s after %s steps\n", "status", core::enum_to_string(record.status).c_str(),
      core::format_count(record.steps).c_str());
  if (record.before)
    std::printf("%-16s%s nats per token\n", "dev loss before", loss(*record.before).c_str());
  if (record.best) {
    std::printf("%-16s%s (step %s)\n", "dev loss kept", loss(*record.best).c_str(),
        core::format_count(record.best->step).c_str());
  }
  std::fputs(
      (stage_lines(record.stages) + gate_lines(record.gates) + pilot_lines(record.pilot)).c_str(),
      stdout);
  std::printf("%-16s%s predicted, %s measured\n", "time",
      core::format_seconds(record.predicted_seconds.total()).c_str(),
      core::format_seconds(record.measured_seconds.total()).c_str());
  if (!record.unused.empty()) std::printf("%-16s%s\n", "unused", record.unused.c_str());
  if (record.measured_footprint) {
    std::printf("%-16s%s\n", "taken", footprint_text(*record.measured_footprint).c_str());
  }
  std::printf("%-16s%s\n", "run", core::printable(folder_.path().string()).c_str());
}

}  // namespace salf::tools
