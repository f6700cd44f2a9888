#include "commands/bench.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <filesystem>
#include <limits>
#include <map>
#include <optional>
#include <utility>

#include "app/analysis.h"
#include "app/arm_runs.h"
#include "app/bench_arms.h"
#include "app/bench_record.h"
#include "app/document_losses.h"
#include "commands/analyze.h"
#include "core/clock.h"
#include "core/error.h"
#include "core/files.h"
#include "core/json.h"
#include "core/log.h"
#include "core/signals.h"
#include "core/statistics.h"
#include "core/text.h"
#include "cost/estimate.h"
#include "policy/budget.h"
#include "policy/learning_rate.h"
#include "text/bench_table.h"
#include "train/run/checkpoint.h"
#include "train/timing.h"
#include "types/validate.h"

namespace salf::tools {
namespace {

namespace fs = std::filesystem;

constexpr int kTimings = 3;  // rounds of timing, whose medians are the prices
constexpr std::int64_t kEvaluations =
    3;  // of a run on dev: before, in the middle and at the end; of a trial at the end
constexpr double kTrialShare = 0.25;  // of the longest budget, for a trial of a learning rate

class Bench {
 public:
  Bench(const BenchOptions& options, core::Progress& progress)
      : options_(options), progress_(progress), folder_(options.output, "bench.json", true),
        session_(app::open_model(options.model, true)),
        dataset_(app::open_data(options.data, session_, options.batch, progress)),
        runs_({options.model, dataset_, options.batch, options.train, options.lora,
                  options.dev_documents, options.redraw, folder_.path()},
            progress) {
    for (const std::string& arm : options.arms) {
      arms_.push_back(app::parse_arm(arm));
      app::arm_cut(arms_.back(), session_.shape().blocks);
    }
  }

  int execute() {
    begin();
    try {
      score_untuned();
      for (std::int64_t seed = 0; seed < options_.seeds; ++seed) {
        for (const app::BenchArm& arm : arms_) run_arm(arm, options_.model.seed + seed);
      }
    } catch (const app::ArmStopped&) {
      return 128 + core::stop_signal();
    }
    print();
    return 0;
  }

 private:
  fs::path file(const std::string& name) const { return folder_.path() / name; }
  std::string data_name() const {
    return options_.name.empty() ? fs::path(options_.data.data).stem().string() : options_.name;
  }

  // Which arms and budgets are run, and how it is shown, may change from call to call.
  core::Json identity() const {
    core::Json json = core::to_json(options_);
    for (const char* free : {"json", "force", "quiet", "arms", "minutes", "seeds", "prior",
             "output", "threads", "model", "data"})
      json.erase(free);
    json["model_hash"] = session_.weights_hash;
    json["data_hash"] = dataset_.hash;
    return json;
  }

  void begin() {
    lora_shape_ = session_.shape();
    lora_shape_.block_trained_parameters =
        app::trained_of_blocks(lora_shape_, app::arm_lora(options_.lora, session_, runs_.seed()));
    if (fs::exists(file("bench.json")) && !options_.common.force) {
      record_ = core::read_document<app::BenchRecord>(file("bench.json"));
      check_identity();
      profile_ = types::read_profile(file("profile.json"));
      core::log_info("going on with " + core::printable(options_.output) + ": " +
                     std::to_string(record_.rows.size()) + " runs are there");
      return;
    }
    std::error_code ignored;
    fs::remove_all(file("losses"), ignored);
    record_.provenance =
        app::provenance(session_, &dataset_, options_.data.data, options_.model.model);
    record_.identity = identity();
    measure();
    core::write_document(file("profile.json"), *profile_);
    save();
  }

  void check_identity() const {
    const core::Json now = identity();
    const core::Json defaults = core::to_json(BenchOptions{});
    for (const auto& [key, value] : now.items()) {
      const core::Json* const before = core::find_member(record_.identity, key);
      // An option that came later is what it is by itself.
      if (before == nullptr ? defaults.contains(key) && defaults[key] == value : *before == value)
        continue;
      throw Error(ErrorKind::kUsage,
          core::printable(options_.output) + ": the bench there was begun with another " + key +
              " (" + core::printable(before == nullptr ? "none" : before->dump(), 60) + ", now " +
              core::printable(value.dump(), 60) +
              "); --force begins again, --output names another folder");
    }
  }

  void save() { core::write_document(file("bench.json"), record_); }

  // The profile for the arm plan, and the price list.
  void measure() {
    app::AnalyzeRequest request;
    request.calibration = options_.calibration;
    request.batch_tokens = options_.batch.batch_tokens;
    request.seed = static_cast<std::uint64_t>(options_.model.seed);
    request.dtype = options_.model.dtype;
    request.model_path = options_.model.model;
    request.data_path = options_.data.data;
    profile_ = app::analyze(session_, dataset_, request, progress_);
    if (!profile_) throw Error(ErrorKind::kUsage, "stopped before the first arm; nothing was done");
    const data::Batcher batcher = runs_.train_rows(session_);
    std::vector<types::MeasuredCost> rounds, lora_rounds;
    for (int round = 0; round < kTimings; ++round) {
      const Timed timed = time_methods(batcher, train::TimingOptions{}.seconds);
      rounds.push_back(timed.blocks.cost);
      lora_rounds.push_back(timed.lora.cost);
      record_.gradient_agreement = timed.blocks.gradient_agreement;
    }
    record_.cost = median_cost(rounds);
    record_.lora_cost = median_cost(lora_rounds);
    record_.data = app::training_shape(batcher,
        static_cast<std::int64_t>(dataset_.indices(data::Split::kTrain).size()), runs_.seed());
  }

  struct Timed {
    train::Timing blocks, lora;
  };

  Timed time_methods(const data::Batcher& batcher, double seconds) const {
    Timed timed;
    timed.blocks = time_steps(*session_.graph, batcher, seconds);
    const auto branches = app::arm_lora(options_.lora, session_, runs_.seed()).branches;
    timed.lora = time_steps(session_.graph->with_lora(branches), batcher, seconds);
    return timed;
  }

  train::Timing time_steps(
      const model::GraphCut& graph, const data::Batcher& batcher, double seconds) const {
    train::TimingOptions timing;
    timing.seconds = seconds;
    timing.gradients = true;
    timing.seed = static_cast<std::uint64_t>(options_.model.seed);
    timing.autocast = app::autocast_type(options_.model.dtype, session_.device);
    return train::time_steps(*session_.model, graph, batcher, timing, progress_);
  }

  // Field by field.
  static types::MeasuredCost median_cost(const std::vector<types::MeasuredCost>& rounds) {
    core::Json merged = core::to_json(rounds.front());
    for (auto& [key, value] : merged.items()) {
      if (!value.is_number_float()) continue;
      std::vector<double> values;
      for (const auto& round : rounds) values.push_back(core::to_json(round)[key].get<double>());
      value = core::median(values);
    }
    types::MeasuredCost cost;
    core::from_json(merged, "cost", cost);
    return cost;
  }

  const app::BenchRow* find(
      const std::vector<app::BenchRow>& rows, const app::BenchRow& like, bool by_rate) const {
    for (const app::BenchRow& row : rows) {
      if (app::row_key(row) == app::row_key(like) &&
          (!by_rate || row.rate_factor == like.rate_factor))
        return &row;
    }
    return nullptr;
  }

  void score_untuned() {
    app::BenchRow row;
    row.data = data_name();
    row.arm = row.name = "untuned";
    row.blocks = session_.shape().blocks;
    if (find(record_.rows, row, false) != nullptr) return;
    score(session_, row);
    record_.rows.push_back(row);
    save();
  }

  // Test loss, untimed; writes the documents' losses.
  void score(const app::ModelSession& session, app::BenchRow& row) const {
    std::vector<std::int64_t> documents = dataset_.indices(data::Split::kTest);
    if (options_.test_documents > 0) {
      documents = data::sample_documents(dataset_, data::Split::kTest, options_.test_documents,
          static_cast<std::uint64_t>(options_.model.seed));
    }
    if (documents.empty())
      throw Error(
          ErrorKind::kBadInput, options_.data.data + ": the test split has no documents to score");
    const auto measured = app::measure_losses(
        session, dataset_, documents, options_.batch, options_.model.dtype, progress_);
    if (!measured) throw app::ArmStopped{};
    row.test_loss = measured->evaluation.loss.value;
    if (std::isfinite(measured->evaluation.standard_error))
      row.test_se = measured->evaluation.standard_error;
    app::DocumentLosses losses;
    for (const auto& sum : measured->documents) {
      losses.document.push_back(sum.document);
      losses.loss.push_back(sum.loss);
      losses.tokens.push_back(sum.tokens);
    }
    fs::create_directories(file("losses"));
    core::write_document(file("losses") / (app::row_key(row) + ".json"), losses);
  }

  // What train spends of a budget before its first step: on the profile what its share allows, and
  // on timing what that takes now.
  double planning_seconds(double budget) const {
    const Timed timed = time_methods(runs_.train_rows(session_),
        std::min(train::TimingOptions{}.seconds, app::timing_share(true) * budget));
    return std::min(profile_->seconds, app::kProfileShare * budget) + timed.blocks.seconds +
           timed.lora.seconds;
  }

  // What the arm plan chooses after so many seconds of planning.
  app::BenchArm planned(double minutes, double spent_seconds) const {
    policy::PlanInputs inputs;
    inputs.budget = {60.0 * minutes, types::BudgetUnit::kSeconds};
    inputs.data = record_.data;
    inputs.cost = record_.cost;
    inputs.lora = policy::LoraMethod{
        types::parse_lora(options_.lora), lora_shape_.block_trained_parameters, record_.lora_cost};
    inputs.rule = types::Rule::kPredicted;
    inputs.prior = policy::read_prior(options_.prior);
    inputs.gradient_agreement = record_.gradient_agreement;
    inputs.batch_tokens = options_.batch.batch_tokens;
    inputs.max_epochs = 1e6;
    inputs.spent_seconds = spent_seconds;
    const types::FreezePlan plan = policy::make_plan(*profile_, inputs);
    app::check_affordable(plan);
    return app::arm_of(*plan.chosen());
  }

  app::BenchRow row_of(const app::BenchArm& arm, double minutes, std::int64_t seed) const {
    app::BenchRow row;
    row.data = data_name();
    row.arm = app::arm_word(arm);
    row.name = app::arm_text(arm);
    row.minutes = minutes;
    row.seed = seed;
    row.blocks = session_.shape().blocks;
    return row;
  }

  // One number of steps of an arm.
  struct Length {
    app::BenchRow row;
    std::int64_t steps = 0;
  };

  // What is trained (of the plan that may differ with the length), and how long.
  struct Trunk {
    app::BenchArm arm;
    std::vector<Length> lengths;
  };

  // The lengths that are missing.
  void run_arm(const app::BenchArm& arm, std::int64_t seed) {
    std::map<std::string, Trunk> trunks;
    std::vector<double> ascending = options_.minutes;
    std::sort(ascending.begin(), ascending.end());
    for (const double minutes : ascending) {
      app::BenchRow row = row_of(arm, minutes, seed);
      if (find(record_.rows, row, false) != nullptr) continue;
      const bool plan = arm.kind == app::ArmKind::kPlan;
      const double paid = plan ? planning_seconds(60.0 * minutes) : 0.0;
      const app::BenchArm trained = plan ? planned(minutes, paid) : arm;
      row.cut = app::arm_cut(trained, row.blocks);
      if (plan) row.chose = app::arm_text(trained);
      const std::int64_t steps = steps_within(trained, row, 60.0 * minutes - paid);
      Trunk& trunk = trunks[app::arm_text(trained)];
      trunk.arm = trained;
      trunk.lengths.push_back({row, steps});
    }
    for (auto& [name, trunk] : trunks) {
      const app::BenchRow& longest = trunk.lengths.back().row;
      const double factor = arm.kind == app::ArmKind::kPlan ? 1.0 : best_rate(arm, longest);
      for (auto& length : trunk.lengths) length.row.rate_factor = factor;
      core::log_info(
          app::row_key(longest) + " (" + std::to_string(longest.cut) + " blocks frozen)");
      run_trunk(trunk.arm, trunk.lengths);
    }
  }

  void run_trunk(const app::BenchArm& arm, std::vector<Length>& lengths) {
    app::ArmRun run = arm_run(arm, lengths.back().row, kEvaluations);
    for (const Length& length : lengths) run.steps.push_back(length.steps);
    std::size_t next = 0;
    runs_.run(run, [&](const types::RunRecord& done, const app::ModelSession& session) {
      app::BenchRow& row = lengths[next++].row;
      fill(arm, done, row);
      score(session, row);
      record_.rows.push_back(row);
      save();
    });
  }

  app::ArmRun arm_run(
      const app::BenchArm& arm, const app::BenchRow& row, std::int64_t evaluations) const {
    return {arm, row.cut, row.seed, row.rate_factor, {},
        options_.dev_documents > 0 ? evaluations : 0, {}};
  }

  app::StepPrice price(const app::BenchArm& arm, const app::BenchRow& row) const {
    const bool lora = arm.kind == app::ArmKind::kLora;
    return app::step_price(arm, row.cut, static_cast<std::uint64_t>(row.seed), options_.redraw,
        lora ? record_.lora_cost : record_.cost, lora ? lora_shape_ : session_.shape(),
        record_.data);
  }

  double steps_per_epoch() const { return static_cast<double>(record_.data.batches); }

  std::int64_t steps_within(
      const app::BenchArm& arm, const app::BenchRow& row, double seconds) const {
    const app::StepPrice step = price(arm, row);
    const std::int64_t steps =
        cost::steps_within(seconds, step.first, step.later, steps_per_epoch());
    if (steps >= 2) return steps;
    throw Error(ErrorKind::kBudget, app::row_key(row) + ": " + core::format_seconds(seconds) +
                                        " on the virtual clock pay for " + std::to_string(steps) +
                                        " steps; give more --minutes");
  }

  void fill(const app::BenchArm& arm, const types::RunRecord& run, app::BenchRow& row) const {
    row.learning_rate = run.learning_rate;
    row.steps = run.steps;
    row.tokens = run.tokens;
    row.supervised_tokens = run.supervised_tokens;
    row.unique_tokens = std::min(run.supervised_tokens, record_.data.supervised_tokens);
    row.seconds = run.measured_seconds.total();
    if (run.best) row.dev_loss = run.best->loss;
    const app::StepPrice step = price(arm, row);
    const auto steps = static_cast<double>(run.steps);
    const double first = std::min(steps, steps_per_epoch());
    row.virtual_seconds = first * step.first + (steps - first) * step.later;
    if (run.status == types::RunStatus::kDiverged)
      core::log_warning(app::row_key(row) + ": diverged; its best weights are scored");
  }

  // One choice for all lengths and seeds.
  double best_rate(const app::BenchArm& arm, const app::BenchRow& row) {
    if (options_.rates.empty()) return 1.0;
    if (options_.rates.size() == 1) return options_.rates.front();
    const double longest = *std::max_element(options_.minutes.begin(), options_.minutes.end());
    double best = options_.rates.front(), lowest = std::numeric_limits<double>::infinity();
    for (const double factor : options_.rates) {
      app::BenchRow trial = row_of(arm, longest, options_.model.seed);
      trial.cut = row.cut;
      trial.rate_factor = factor;
      const app::BenchRow* const known = find(record_.trials, trial, true);
      const double loss =
          (known != nullptr ? known->dev_loss : run_trial(arm, trial)).value_or(lowest);
      if (loss >= lowest) continue;
      lowest = loss;
      best = factor;
    }
    return best;
  }

  // Its dev loss.
  std::optional<double> run_trial(const app::BenchArm& arm, const app::BenchRow& trial) {
    core::log_info(app::row_key(trial) + ": a trial of " + core::format_number(trial.rate_factor) +
                   " times the rule's rate");
    app::ArmRun run = arm_run(arm, trial, 1);
    run.steps.push_back(steps_within(arm, trial, 60.0 * trial.minutes * kTrialShare));
    runs_.run(run, [&](const types::RunRecord& done, const app::ModelSession&) {
      app::BenchRow row = trial;
      fill(arm, done, row);
      record_.trials.push_back(row);
      save();
    });
    return record_.trials.back().dev_loss;
  }

  void print() const {
    if (options_.common.json) {
      core::Json rows = core::Json::array();
      for (const app::BenchRow& row : record_.rows) rows.push_back(core::to_json(row));
      std::fputs(core::format_json(rows).c_str(), stdout);
      return;
    }
    std::fputs(bench_table(record_, file("losses")).c_str(), stdout);
    std::printf("%s\n", core::printable(file("bench.json").string()).c_str());
  }

  const BenchOptions& options_;
  core::Progress& progress_;
  core::OutputFolder folder_;
  app::ModelSession session_;
  app::BenchRecord record_;
  data::Dataset dataset_;
  app::ArmRuns runs_;
  std::vector<app::BenchArm> arms_;
  std::optional<types::LayerProfile> profile_;
  types::ModelShape lora_shape_;  // with what the arms lora:N add
};

}  // namespace

std::vector<std::string> BenchOptions::problems() const {
  std::vector<std::string> problems;
  if (model.model.empty())
    problems.emplace_back("a model is needed: a model directory, a run directory or an archive");
  if (data.data.empty())
    problems.emplace_back("--data FILE is needed: the documents to train on and to score");
  if (data.data == "-")
    problems.emplace_back(
        "--data -: a later call that goes on with the bench reads the rows again: they have to be "
        "in a file");
  if (output.empty()) problems.emplace_back("--output needs a folder");
  if (arms.empty()) problems.emplace_back("--arms: at least one is needed");
  if (minutes.empty()) problems.emplace_back("--minutes: at least one is needed");
  if (rates.size() > 1 && dev_documents == 0)
    problems.emplace_back("--rates are compared on dev: --dev-documents must be above 0");
  for (auto& problem : app::arm_problems(arms, lora)) problems.push_back(std::move(problem));
  return problems;
}

int bench_command(const BenchOptions& options, core::Progress& progress) {
  return Bench(options, progress).execute();
}

}  // namespace salf::tools
