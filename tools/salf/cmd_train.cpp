#include "cmd_train.h"

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <memory>
#include <optional>

#include "cmd_analyze.h"
#include "energy_watch.h"
#include "pilot.h"
#include "plan_text.h"
#include "probing.h"
#include "document_losses.h"
#include "run_observers.h"
#include "show_run.h"
#include "salf/core/clock.h"
#include "salf/core/error.h"
#include "salf/core/files.h"
#include "salf/core/json.h"
#include "salf/core/log.h"
#include "salf/core/signals.h"
#include "salf/core/text.h"
#include "salf/cost/energy.h"
#include "salf/cost/estimate.h"
#include "salf/cost/money.h"
#include "salf/model/lora.h"
#include "salf/policy/stages.h"
#include "salf/train/checkpoint.h"
#include "salf/types/validate.h"

namespace salf::tools {
namespace {

namespace fs = std::filesystem;

// Saving once, with room for a disk that is slower than while it was timed, and for closing the record.
constexpr double kSavingReserve = 2.0;
constexpr double kClosingSeconds = 1.0;
// What measuring the layers may take of a budget in time: more documents than that sharpen the choice of the cut
// less than the steps they would cost.
constexpr double kAnalysisShare = 0.1;
// Of a pilot: what is planned for all documents and the whole budget; salf train --plan takes it.
constexpr const char* kFullPlan = "full-plan.json";

// Where a resumed or repeated run takes everything from.
struct Origin {
  std::string file;
  types::RunRecord record;
};

std::string run_file(const std::string& folder) { return (fs::path(folder) / "run.json").string(); }

// Options other than those of the command line's surroundings that were given beside --resume or --replay.
std::vector<std::string> extra_options(const TrainCommandOptions& options) {
  core::Json given = core::to_json(options);
  const core::Json defaults = core::to_json(TrainCommandOptions{});
  for (const char* allowed : {"json", "force", "quiet", "resume", "replay", "output", "tensorboard", "metrics_port"}) given.erase(allowed);
  std::vector<std::string> extra;
  for (const auto& [key, value] : given.items()) {
    if (!defaults.contains(key) || defaults[key] != value) extra.push_back(key);
  }
  return extra;
}

void refuse_standard_input(const Origin& origin, const TrainCommandOptions& given) {
  const core::Json* const data = core::find_member(origin.record.options, "data");
  if (given.resume.empty() || data == nullptr || *data != "-") return;
  throw Error(ErrorKind::kUsage, given.resume + ": this run's rows came from standard input (--data -), which cannot be "
                                                "read again: a run that may be interrupted needs its rows in a file");
}

std::optional<Origin> read_origin(const TrainCommandOptions& options) {
  if (options.resume.empty() && options.replay.empty()) return std::nullopt;
  Origin origin;
  origin.file = options.resume.empty() ? options.replay : run_file(options.resume);
  if (!options.resume.empty() && !fs::exists(origin.file)) {
    throw Error(ErrorKind::kUsage, options.resume + ": no run to resume: there is no run.json in it");
  }
  origin.record = types::read_run(origin.file);
  const types::RunStatus status = origin.record.status;
  const bool ended = status != types::RunStatus::kRunning && status != types::RunStatus::kInterrupted;
  if (!options.resume.empty() && ended) {
    throw Error(ErrorKind::kUsage, options.resume + ": this run has ended (" + core::enum_to_string(status) +
                                       "); there is nothing to resume");
  }
  refuse_standard_input(origin, options);
  return origin;
}

TrainCommandOptions options_of(const Origin& origin, const TrainCommandOptions& given) {
  TrainCommandOptions options;
  core::from_json(origin.record.options, origin.file + ".options", options);
  options.common = given.common;
  options.output = given.resume.empty() ? given.output : given.resume;
  options.resume = given.resume;
  options.replay = given.replay;
  options.tensorboard = given.tensorboard;
  options.metrics_port = given.metrics_port;
  return options;
}

// What a run is made of, opened and checked.
class TrainRun {
 public:
  TrainRun(const TrainCommandOptions& options, std::optional<Origin> origin, core::Progress& progress)
      : options_(options),
        origin_(std::move(origin)),
        progress_(progress),
        planning_(options.pilot.empty() ? options.planning : pilot_planning(options.planning, pilot_share(options.pilot))),
        energy_(planning_.rates, options.model, origin_ || !options.plan.empty() ? types::Budget{} : planning_.parsed_budget()),
        // A resumed run's folder is its own; a fresh one may only replace another with --force.
        folder_(options.output, "run.json", options.common.force || !options.resume.empty()),
        session_(open_model(options.model, true, AdapterUse::kKeep,
                            scratch_for(options.frozen.frozen_dtype, folder_.path()))),
        dataset_(open_data(options.data, session_, options.batch.pack > 0 ? 0 : options.batch.batch_tokens, progress)) {
    check_frozen_type(options.frozen.frozen_dtype, session_);
    if (!options.pilot.empty()) {
      all_ = std::move(dataset_);
      dataset_ = pilot_sample(all_, pilot_share(options.pilot), seed());
      core::log_info("pilot on " + core::format_count(static_cast<std::int64_t>(dataset_.documents.size())) + " of " +
                     core::format_count(static_cast<std::int64_t>(all_.documents.size())) + " documents");
    }
    check_gates_can_be_told();
    if (origin_) check_made_for(origin_->record.provenance, session_, dataset_, origin_->file);
    if (!options.tensorboard.empty()) observers_.push_back(std::make_unique<TensorBoardObserver>(options.tensorboard));
    if (options.metrics_port) observers_.push_back(std::make_unique<MetricsServer>(*options.metrics_port, options.output));
  }

  int execute() {
    if (options_.resume.empty()) train::remove_checkpoints(folder_.path());
    std::optional<types::FreezePlan> plan;
    try {
      plan = find_plan();
    } catch (const ArmStopped&) {
    }
    if (!plan) return 128 + core::stop_signal();
    if (lora_) session_.cut->use_lora(branches_above(lora_->branches, plan->eof));
    core::write_document(file("plan.json"), *plan);
    core::log_info(plan->reason);
    types::RunRecord record = opening_record(*plan);
    core::write_document(file("run.json"), record);
    {
      const auto quantized = quantize_blocks(options_.frozen.frozen_dtype, session_, dataset_, seed(), plan->eof);
      record = tune(*plan);
    }
    save(record);
    print(record);
    if (record.status == types::RunStatus::kGateFailed) return static_cast<int>(ErrorKind::kRegression);
    if (record.status == types::RunStatus::kDiverged) {
      throw Error(ErrorKind::kBadModel, "the loss was not finite after step " + std::to_string(record.steps) +
                                            ": the run has diverged. The best weights until then are in " +
                                            core::printable(options_.output) + "; try a smaller --learning-rate");
    }
    return record.status == types::RunStatus::kInterrupted ? 128 + static_cast<int>(record.exit_signal) : 0;
  }

 private:
  fs::path file(const char* name) const { return folder_.path() / name; }

  // Before anything long starts.
  void check_gates_can_be_told() const {
    if (!dataset_.indices(data::Split::kDev).empty()) return;
    for (const types::Gate& gate : types::parse_gates(options_.gate)) {
      if (!types::needs_evaluation(gate.metric)) continue;
      throw Error(ErrorKind::kUsage, "--gate " + types::format_gate(gate) + ": there are no dev documents to evaluate: give a larger --dev-share, "
                                     "or more rows");
    }
  }

  std::uint64_t seed() const { return static_cast<std::uint64_t>(options_.model.seed); }

  std::optional<types::FreezePlan> find_plan() {
    std::optional<types::FreezePlan> plan = given_plan();
    lora_ = start_lora(plan ? plan->lora : options_.lora.settings(), options_.model.adapter, session_, seed());
    wanted_cut(lora_, planning_.eof);  // before anything long starts
    if (lora_) session_.cut->use_lora(lora_->branches);
    return plan ? plan : make_plan();
  }

  std::optional<types::FreezePlan> given_plan() {
    if (origin_) {
      pilot_ = origin_->record.pilot;
      return origin_->record.plan;
    }
    if (options_.plan.empty()) return std::nullopt;
    types::FreezePlan plan = types::read_plan(options_.plan);
    check_made_for(plan.provenance, session_, dataset_, options_.plan);
    check_affordable(plan);
    return plan;
  }

  std::optional<types::FreezePlan> make_plan() {
    const std::optional<types::LayerProfile> profile = find_profile();
    if (!profile) return std::nullopt;
    PlanRequest request;
    request.planning = planning_;
    request.batch = options_.batch;
    request.seed = seed();
    request.dtype = options_.model.dtype;
    request.cache = !options_.train.no_cache;
    request.recompute = options_.train.recompute;
    request.spent_seconds = core::process_seconds();
    request.lora = lora_;
    types::FreezePlan plan = make_run_plan(session_, dataset_, *profile, request, energy_, progress_);
    check_affordable(plan);
    if (std::optional<types::ProbeTable> probes = probe(plan)) {
      core::write_document(file("probe.json"), *probes);
      request.probes = std::move(probes);
      request.spent_seconds = core::process_seconds();
      request.cost = plan.cost;
      plan = make_run_plan(session_, dataset_, *profile, request, energy_, progress_);
      check_affordable(plan);
    }
    if (!options_.pilot.empty()) plan_the_whole(*profile, request, plan.cost);
    // Not before: a run that was refused leaves nothing behind.
    core::write_document(file("profile.json"), *profile);
    return plan;
  }

  // Where the budget can pay for it, and memory is not short: an arm is trained on a model of its own.
  std::optional<types::ProbeTable> probe(const types::FreezePlan& plan) const {
    const PlanningOptions& planning = options_.planning;
    if (!prediction_decides() || planning.no_probes || !planning.probe.empty() || options_.data.data == "-") return std::nullopt;
    const std::vector<std::string> arms = arms_to_probe(plan);
    if (arms.empty()) return std::nullopt;
    types::ProbeTable table;
    table.steps = kProbeSteps;
    table.provenance = record_provenance();
    const ArmSetup setup{options_.model, options_.data, options_.batch, options_.train, options_.lora.lora, plan.data.dev_documents,
                         1, folder_.path()};
    try {
      probe_arms(setup, arms, session_, table, progress_);
    } catch (const ArmStopped&) {
      throw;
    } catch (const Error& error) {
      core::log_warning(std::string("no probes: ") + error.what());
      return std::nullopt;
    }
    core::log_info(probe_text(table));
    return table;
  }

  // What the pilot is for, from its own timing.
  void plan_the_whole(const types::LayerProfile& profile, PlanRequest request, const types::MeasuredCost& cost) {
    request.planning = options_.planning;
    request.cost = cost;
    const types::FreezePlan full = make_run_plan(session_, all_, profile, request, energy_, progress_);
    check_affordable(full);
    pilot_ = pilot_record(pilot_share(options_.pilot), dataset_, all_, full);
    core::write_document(file(kFullPlan), full);
  }

  std::optional<types::LayerProfile> find_profile() {
    if (!options_.profile.empty()) {
      types::LayerProfile profile = types::read_profile(options_.profile);
      check_made_for(profile.provenance, session_, dataset_, options_.profile);
      return profile;
    }
    AnalyzeRequest request;
    request.calibration = options_.calibration;
    request.batch_tokens = options_.batch.batch_tokens;
    request.seed = seed();
    request.dtype = options_.model.dtype;
    request.model_path = options_.model.model;
    request.data_path = options_.data.data;
    const types::Budget budget = planning_.parsed_budget();
    const double seconds = cost::budget_seconds(budget, energy_.rates());
    check_room_for_analysis(session_, dataset_, budget, seconds, core::process_seconds(), options_.calibration.documents);
    if (!budget.deterministic()) request.seconds = kAnalysisShare * seconds;
    request.sketch = prediction_decides() && policy::read_prior(options_.planning.prior).wants_sketch();
    const auto quantized = quantize_blocks(options_.frozen.frozen_dtype, session_, dataset_, seed(), session_.cut->map().blocks);
    return analyze(session_, dataset_, request, progress_);
  }

  // Not where memory is short: evidence for it, gradients of the whole model and runs of arms, needs more than a deep cut.
  bool prediction_decides() const {
    const PlanningOptions& planning = options_.planning;
    const bool decides = planning.rule == types::Rule::kPredicted && !planning.eof && !lora_;
    return decides && planning.max_memory.empty() && options_.frozen.frozen_dtype == FrozenOptions{}.frozen_dtype;
  }

  types::RunRecord opening_record(const types::FreezePlan& plan) const {
    types::RunRecord record;
    record.provenance = record_provenance();
    record.options = recorded_options();
    record.seed = seed();
    record.plan = plan;
    record.pilot = pilot_;
    return record;
  }

  types::Provenance record_provenance() const {
    return provenance(session_, &dataset_, options_.data.data, options_.model.model);
  }

  // What a resumed run must find unchanged, and a replay repeats.
  core::Json recorded_options() const {
    TrainCommandOptions options = options_;
    options.common = CommonOptions{};
    options.resume.clear();
    options.replay.clear();
    options.tensorboard.clear();
    options.metrics_port.reset();
    options.output = TrainCommandOptions{}.output;
    return core::to_json(options);
  }

  types::RunRecord tune(const types::FreezePlan& plan) {
    const std::int64_t padding = session_.tokenizer->padding_id().value_or(0);
    const data::BatchOptions batch{plan.batch_tokens, plan.pack};
    const data::Batcher train_rows(dataset_, dataset_.indices(data::Split::kTrain), batch, padding);
    const data::Batcher dev_rows(dataset_, dev_documents(dataset_, plan.data.dev_documents, seed()), batch, padding);
    train::TrainInputs inputs{*session_.model, *session_.cut, train_rows, dev_rows, plan, options_.train};
    inputs.seed = seed();
    inputs.autocast = autocast_type(options_.model.dtype, session_.device);
    inputs.folder = folder_.path();
    inputs.identity = {{"model", session_.weights_hash},
                       {"data", dataset_.hash},
                       {"tokenizer", session_.tokenizer->hash()},
                       {"options", recorded_options()}};
    const types::Provenance made_by = record_provenance();
    inputs.cache_key = {{"model", made_by.model_hash},
                        {"tokenizer", made_by.tokenizer_hash},
                        {"frozen_dtype", core::enum_to_string(options_.frozen.frozen_dtype)},
                        {"fitted_to", made_by.data_hash + " " + std::to_string(seed())},  // int8 and int4
                        {"salf", made_by.salf_version},
                        {"torch", made_by.torch_version}};
    inputs.resume = !options_.resume.empty();
    if (!options_.replay.empty()) inputs.replay = train::replay_of(origin_->record);
    inputs.closing_seconds = kSavingReserve * cost::save_seconds(plan.cost, plan.shape) + kClosingSeconds;
    const types::ModelShape shape = plan.shape;
    inputs.batch_flops = [shape](const tensor::Batch& rows, std::int64_t eof, bool cached) {
      const types::CostBreakdown flops =
          cost::batch_flops(shape, eof,
                            {static_cast<double>(rows.padded_tokens()), static_cast<double>(rows.supervised_tokens),
                             static_cast<double>(rows.length())});
      return flops.total() - (cached ? flops.prefix : 0.0);
    };
    inputs.budget_flops = plan.budget_flops;
    if (!plan.stages.empty()) {
      inputs.next_stage = [predictor = stage_predictor(plan), &plan](const types::StageEnd& end) {
        return policy::decide_stage(*predictor, end, plan.loss_before);
      };
    }
    inputs.gates = types::parse_gates(options_.gate);
    inputs.clock = [this, &plan] { return energy_.spent_seconds(plan); };
    DevLossKeeper dev_losses(dataset_, file("dev_losses.json"), !options_.resume.empty());
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

  // With what the run's folder holds as evidence.
  std::shared_ptr<const policy::Predictor> stage_predictor(const types::FreezePlan& plan) const {
    policy::Evidence evidence;
    const auto made_here = [&plan](const types::Provenance& made) {
      return made.model_hash == plan.provenance.model_hash && made.data_hash == plan.provenance.data_hash;
    };
    if (fs::exists(file("profile.json"))) {
      const types::LayerProfile profile = types::read_profile(file("profile.json"));
      if (made_here(profile.provenance)) evidence.sketch = profile.gradient_sketch;
    }
    const fs::path probes = options_.planning.probe.empty() ? file("probe.json") : fs::path(options_.planning.probe);
    if (fs::exists(probes)) {
      types::ProbeTable table = types::read_probes(probes);
      if (made_here(table.provenance)) evidence.probes = std::move(table);
    }
    return std::make_shared<policy::Predictor>(policy::read_prior(options_.planning.prior), plan.shape, evidence);
  }

  void save(types::RunRecord& record) {
    if (record.status != types::RunStatus::kInterrupted) {
      if (lora_) save_adapter();
      session_.model->save(file("model.pt"));
      model::ModelCard card = session_.files.card;
      card.blocks = session_.cut->map().container;
      card.source = session_.files.archive.string();
      card.source_hash = session_.weights_hash;
      card.weights_hash.clear();
      model::write_model_files(folder_.path(), session_.files, card);
    }
    const double measured = record.measured_seconds.total();
    record.measured_seconds.fixed += std::max(0.0, core::process_seconds() - measured);
    const types::Rates rates = record.plan.rates ? *record.plan.rates : energy_.rates();
    record.measured_footprint = cost::footprint(rates, record.measured_seconds.total(), energy_.measured());
    if (record.pilot && fs::exists(file(kFullPlan))) add_pace(record, types::read_plan(file(kFullPlan)));
    core::write_document(file("run.json"), record);
    if (record.status != types::RunStatus::kInterrupted) train::remove_checkpoints(folder_.path());
  }

  // The branches by themselves, as PEFT has them, and then as part of the weights. Where whole blocks were tuned too, the
  // branches alone would be no model.
  void save_adapter() {
    const std::vector<model::LoraLayer> branches = session_.cut->lora();
    if (lora_->settings.whole) {
      core::log_info("no adapter is written, since whole blocks were tuned as well: model.pt has everything");
    } else {
      fs::create_directories(file("adapter"));
      convert::write_peft_adapter(file("adapter"), *session_.model, *session_.cut, branches, lora_->settings,
                                  {options_.model.model, session_.archive_hash});
    }
    session_.cut->use_lora({});
    model::merge_lora(*session_.model, branches);
  }

  void print(const types::RunRecord& record) const {
    if (options_.common.json) {
      std::fputs(core::format_json(core::to_json(record)).c_str(), stdout);
      return;
    }
    const auto loss = [](const types::DevEvaluation& evaluation) {
      return core::format_number(evaluation.loss) + " ± " + core::format_number(evaluation.standard_error, 2);
    };
    std::fputs(plan_summary(record.plan).c_str(), stdout);
    std::printf("%-16s%s after %s steps\n", "status", core::enum_to_string(record.status).c_str(),
                core::format_count(record.steps).c_str());
    if (record.before) std::printf("%-16s%s nats per token\n", "dev loss before", loss(*record.before).c_str());
    if (record.best) {
      std::printf("%-16s%s (step %s)\n", "dev loss kept", loss(*record.best).c_str(),
                  core::format_count(record.best->step).c_str());
    }
    std::fputs((stage_lines(record.stages) + gate_lines(record.gates) + pilot_lines(record.pilot)).c_str(), stdout);
    std::printf("%-16s%s predicted, %s measured\n", "time", core::format_seconds(record.predicted_seconds.total()).c_str(),
                core::format_seconds(record.measured_seconds.total()).c_str());
    if (record.measured_footprint) {
      std::printf("%-16s%s\n", "taken", footprint_text(*record.measured_footprint).c_str());
    }
    std::printf("%-16s%s\n", "run", core::printable(folder_.path().string()).c_str());
  }

  const TrainCommandOptions& options_;
  std::optional<Origin> origin_;
  core::Progress& progress_;
  PlanningOptions planning_;  // the options', or a pilot's share of them
  EnergyWatch energy_;
  core::OutputFolder folder_;
  ModelSession session_;
  data::Dataset dataset_;  // of a pilot: the sample
  data::Dataset all_;      // of a pilot: everything; else empty
  std::optional<types::PilotRecord> pilot_;
  std::optional<LoraStart> lora_;  // nothing where whole blocks are tuned
  std::vector<std::unique_ptr<train::RunObserver>> observers_;
};

std::vector<std::string> pilot_problems(const TrainCommandOptions& options) {
  if (options.pilot.empty()) return {};
  std::vector<std::string> problems;
  try {
    pilot_share(options.pilot);
  } catch (const Error& error) {
    problems.emplace_back(error.what());
  }
  if (!options.plan.empty()) problems.emplace_back("--pilot plans for itself and for the whole: leave out --plan");
  if (options.train.keep_cache) problems.emplace_back("--pilot keeps no cache for later runs, which have other rows: leave out --keep-cache");
  return problems;
}

}  // namespace

std::vector<std::string> TrainCommandOptions::problems() const {
  std::vector<std::string> problems;
  if (!resume.empty() || !replay.empty()) {
    if (!resume.empty() && !replay.empty()) problems.emplace_back("--resume and --replay exclude each other");
    const bool output_given = output != TrainCommandOptions{}.output;
    if (!resume.empty() && output_given) problems.emplace_back("--resume goes on in its own folder: leave out --output");
    if (!replay.empty() && !output_given) problems.emplace_back("--replay needs --output DIR, a folder of its own");
    for (const auto& key : extra_options(*this)) {
      problems.push_back("'" + key + "' cannot be changed: --resume and --replay take it from the run");
    }
    return problems;
  }
  problems = planning.problems();
  for (auto& problem : types::gate_problems(gate)) problems.push_back(std::move(problem));
  for (auto& problem : pilot_problems(*this)) problems.push_back(std::move(problem));
  for (auto& problem : lora.problems(planning, model.adapter)) problems.push_back(std::move(problem));
  if (!plan.empty() && !lora.lora.empty()) {
    problems.emplace_back("--plan says what is tuned: leave out --lora, or give it to salf plan");
  }
  if (train.keep_cache && train.no_cache) problems.emplace_back("--keep-cache and --no-cache exclude each other");
  if (model.model.empty()) problems.emplace_back("a model is needed: a model directory, a run directory or an archive");
  if (data.data.empty()) problems.emplace_back("--data FILE is needed: the documents to train on");
  if (output.empty()) problems.emplace_back("--output needs a folder");
  if (!plan.empty() && !profile.empty()) problems.emplace_back("--plan already rests on a profile: leave out --profile");
  if (!calibration.basis_vocabulary.empty() && (!plan.empty() || !profile.empty())) {
    problems.emplace_back("--basis-vocabulary belongs to the analysis, which --plan and --profile replace: give it to salf analyze");
  }
  if (!plan.empty() && (!planning.budget.empty() || planning.eof)) {
    problems.emplace_back("--plan says the budget and the cut: leave out --budget and --eof");
  }
  if (!plan.empty() && planning.stages != PlanningOptions{}.stages) {
    problems.emplace_back("--plan says the stages: give --stages to salf plan");
  }
  return problems;
}

int train_command(const TrainCommandOptions& given, core::Progress& progress) {
  std::optional<Origin> origin = read_origin(given);
  const TrainCommandOptions options = origin ? options_of(*origin, given) : given;
  try {
    return TrainRun(options, std::move(origin), progress).execute();
  } catch (const Error& error) {
    if (error.kind() != ErrorKind::kBudget || options.pilot.empty()) throw;
    throw Error(ErrorKind::kBudget, std::string(error.what()) + " (this is a pilot with its share of the budget: a larger --pilot or --budget "
                                                                "gives it more)");
  }
}

}  // namespace salf::tools
