#include "cmd_bench.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <filesystem>
#include <limits>
#include <optional>
#include <utility>

#include "bench_arms.h"
#include "bench_record.h"
#include "cmd_analyze.h"
#include "salf/core/error.h"
#include "salf/core/files.h"
#include "salf/core/json.h"
#include "salf/core/log.h"
#include "salf/core/signals.h"
#include "salf/core/statistics.h"
#include "salf/core/text.h"
#include "salf/cost/estimate.h"
#include "salf/policy/budget.h"
#include "salf/policy/learning_rate.h"
#include "salf/train/checkpoint.h"
#include "salf/train/evaluate.h"
#include "salf/train/probe.h"
#include "salf/types/validate.h"

namespace salf::tools {
namespace {

namespace fs = std::filesystem;

constexpr int kTimings = 3;            // rounds of timing, whose medians are the prices
constexpr std::int64_t kEvaluations = 5;
constexpr double kTrialShare = 0.25;   // of the budget, for a trial of a learning rate

// Thrown where a signal stops the work; what is done is in bench.json.
struct Stopped {};

class Bench {
 public:
  Bench(const BenchOptions& options, core::Progress& progress)
      : options_(options),
        progress_(progress),
        folder_(options.output, "bench.json", true),
        session_(open_model(options.model, true)),
        dataset_(read_data(session_)) {
    for (const std::string& arm : options.arms) {
      arms_.push_back(parse_arm(arm));
      arm_eof(arms_.back(), session_.shape().blocks);
    }
  }

  int execute() {
    begin();
    try {
      score_untuned();
      for (const double minutes : options_.minutes) {
        for (std::int64_t seed = 0; seed < options_.seeds; ++seed) {
          for (const BenchArm& arm : arms_) run_arm(arm, minutes, options_.model.seed + seed);
        }
      }
    } catch (const Stopped&) {
      return 128 + core::stop_signal();
    }
    print();
    return 0;
  }

 private:
  fs::path file(const std::string& name) const { return folder_.path() / name; }
  fs::path losses_file(const BenchRow& row) const { return file("losses") / (row_key(row) + ".json"); }

  data::Dataset read_data(const ModelSession& session) const {
    return open_data(options_.data, session, options_.batch.pack > 0 ? 0 : options_.batch.batch_tokens, progress_);
  }
  std::string data_name() const {
    return options_.name.empty() ? fs::path(options_.data.data).stem().string() : options_.name;
  }

  // Which arms and budgets are run, and how it is shown, may change from call to call.
  core::Json identity() const {
    core::Json json = core::to_json(options_);
    for (const char* free : {"json", "force", "quiet", "arms", "minutes", "seeds", "output", "threads", "model", "data"}) json.erase(free);
    json["model_hash"] = session_.weights_hash;
    json["data_hash"] = dataset_.hash;
    return json;
  }

  void begin() {
    if (fs::exists(file("bench.json")) && !options_.common.force) {
      record_ = core::read_document<BenchRecord>(file("bench.json"));
      check_identity();
      profile_ = types::read_profile(file("profile.json"));
      core::log_info("going on with " + core::printable(options_.output) + ": " + std::to_string(record_.rows.size()) + " runs are there");
      return;
    }
    std::error_code ignored;
    fs::remove_all(file("losses"), ignored);
    record_.provenance = provenance(session_, &dataset_, options_.data.data, options_.model.model);
    record_.identity = identity();
    measure();
    core::write_document(file("profile.json"), *profile_);
    save();
  }

  void check_identity() const {
    const core::Json now = identity();
    for (const auto& [key, value] : now.items()) {
      const core::Json* const before = core::find_member(record_.identity, key);
      if (before != nullptr && *before == value) continue;
      throw Error(ErrorKind::kUsage, core::printable(options_.output) + ": the bench there was begun with another " + key + " (" +
                                         core::printable(before == nullptr ? "none" : before->dump(), 60) + ", now " +
                                         core::printable(value.dump(), 60) + "); --force begins again, --output names another folder");
    }
  }

  void save() { core::write_document(file("bench.json"), record_); }

  // The profile for the arm plan, and the price list.
  void measure() {
    AnalyzeRequest request;
    request.calibration = options_.calibration;
    request.batch_tokens = options_.batch.batch_tokens;
    request.seed = static_cast<std::uint64_t>(options_.model.seed);
    request.dtype = options_.model.dtype;
    request.model_path = options_.model.model;
    request.data_path = options_.data.data;
    profile_ = analyze(session_, dataset_, request, progress_);
    if (!profile_) throw Error(ErrorKind::kUsage, "stopped before the first arm; nothing was done");
    const data::Batcher batcher = train_rows(session_, dataset_);
    std::vector<types::MeasuredCost> rounds;
    double seconds = 0.0;
    for (int round = 0; round < kTimings; ++round) {
      train::ProbeOptions probe;
      probe.seed = static_cast<std::uint64_t>(options_.model.seed);
      probe.autocast = autocast_type(options_.model.dtype, session_.device);
      const train::ProbeResult timed = train::measure_cost(*session_.model, *session_.cut, batcher, probe, progress_);
      rounds.push_back(timed.cost);
      seconds = timed.seconds;
    }
    record_.cost = median_cost(rounds);
    record_.data = training_shape(batcher);
    record_.analysis_seconds = profile_->seconds + seconds;
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

  data::Batcher train_rows(const ModelSession& session, const data::Dataset& dataset) const {
    return {dataset, dataset.indices(data::Split::kTrain), options_.batch, session.tokenizer->padding_id().value_or(0)};
  }

  types::DataShape training_shape(const data::Batcher& batcher) const {
    types::DataShape shape;
    double weighted = 0.0;
    for (const auto& batch : batcher.epoch(static_cast<std::uint64_t>(options_.model.seed), 0)) {
      const std::int64_t padded = static_cast<std::int64_t>(batch.rows.size()) * batch.length;
      ++shape.batches;
      shape.padded_tokens += padded;
      weighted += static_cast<double>(padded) * static_cast<double>(batch.length);
    }
    shape.documents = static_cast<std::int64_t>(dataset_.indices(data::Split::kTrain).size());
    shape.real_tokens = batcher.real_tokens();
    shape.supervised_tokens = batcher.supervised_tokens();
    shape.mean_length = shape.padded_tokens > 0 ? weighted / static_cast<double>(shape.padded_tokens) : 0.0;
    if (shape.batches == 0) throw Error(ErrorKind::kBadInput, options_.data.data + ": the train split has no documents");
    return shape;
  }

  double steps_per_epoch() const { return static_cast<double>(record_.data.batches); }

  const BenchRow* find(const std::vector<BenchRow>& rows, const BenchRow& like, bool by_rate) const {
    for (const BenchRow& row : rows) {
      if (row_key(row) == row_key(like) && (!by_rate || row.rate_factor == like.rate_factor)) return &row;
    }
    return nullptr;
  }

  void score_untuned() {
    BenchRow row;
    row.data = data_name();
    row.arm = row.name = "untuned";
    row.blocks = session_.shape().blocks;
    if (find(record_.rows, row, false) != nullptr) return;
    score(session_, dataset_, row);
    record_.rows.push_back(row);
    save();
  }

  // Test loss, untimed; writes the documents' losses.
  void score(const ModelSession& session, const data::Dataset& dataset, BenchRow& row) const {
    std::vector<std::int64_t> documents = dataset.indices(data::Split::kTest);
    if (options_.test_documents > 0) {
      documents = data::sample_documents(dataset, data::Split::kTest, options_.test_documents,
                                         static_cast<std::uint64_t>(options_.model.seed));
    }
    if (documents.empty()) throw Error(ErrorKind::kBadInput, options_.data.data + ": the test split has no documents to score");
    const data::Batcher batcher(dataset, documents, options_.batch, session.tokenizer->padding_id().value_or(0));
    std::vector<train::DocumentLoss> sums;
    train::EvaluateOptions how;
    how.autocast = autocast_type(options_.model.dtype, session.device);
    how.keep_going = [] { return core::stop_signal() == 0; };
    how.documents = &sums;
    const auto evaluation = train::evaluate(*session.cut, batcher, how, progress_);
    if (!evaluation) throw Stopped{};
    row.test_loss = evaluation->loss.value;
    if (std::isfinite(evaluation->standard_error)) row.test_se = evaluation->standard_error;
    DocumentLosses losses;
    for (const auto& sum : sums) {
      losses.document.push_back(sum.document);
      losses.loss.push_back(sum.loss);
      losses.tokens.push_back(sum.tokens);
    }
    fs::create_directories(file("losses"));
    core::write_document(losses_file(row), losses);
  }

  // What the arm plan chooses, analysis and timing paid for.
  std::int64_t planned_eof(double minutes) const {
    policy::PlanInputs inputs;
    inputs.budget = {60.0 * minutes, types::BudgetUnit::kSeconds};
    inputs.data = record_.data;
    inputs.cost = record_.cost;
    inputs.rule = types::Rule::kPredicted;
    inputs.prior = policy::read_prior("");
    inputs.batch_tokens = options_.batch.batch_tokens;
    inputs.max_epochs = 1e6;
    inputs.spent_seconds = record_.analysis_seconds;
    const types::FreezePlan plan = policy::make_plan(*profile_, inputs);
    check_affordable(plan);
    return plan.eof;
  }

  void run_arm(const BenchArm& arm, double minutes, std::int64_t seed) {
    const types::ModelShape shape = session_.shape();
    BenchRow row;
    row.data = data_name();
    row.arm = arm_word(arm);
    row.name = arm_text(arm);
    row.minutes = minutes;
    row.seed = seed;
    row.blocks = shape.blocks;
    if (find(record_.rows, row, false) != nullptr) return;
    const bool plan = arm.kind == ArmKind::kPlan;
    row.eof = plan ? planned_eof(minutes) : arm_eof(arm, shape.blocks);
    if (plan) row.chose = row.eof == 0 ? "full" : "cut:" + std::to_string(row.eof);
    const double paid = plan ? record_.analysis_seconds : 0.0;
    row.rate_factor = best_rate(arm, row, 60.0 * minutes * kTrialShare);
    core::log_info(row_key(row) + (row.chose ? " (" + *row.chose + ")" : ""));
    train_and_score(arm, row, 60.0 * minutes - paid, true);
    record_.rows.push_back(row);
    save();
  }

  double best_rate(const BenchArm& arm, const BenchRow& row, double seconds) {
    if (options_.rates.empty()) return 1.0;
    if (options_.rates.size() == 1) return options_.rates.front();
    double best = options_.rates.front(), lowest = std::numeric_limits<double>::infinity();
    for (const double factor : options_.rates) {
      BenchRow trial = row;
      trial.seed = options_.model.seed;  // one choice for all seeds
      trial.rate_factor = factor;
      const BenchRow* done = find(record_.trials, trial, true);
      if (done == nullptr) {
        core::log_info(row_key(row) + ": a trial of " + core::format_number(factor) + " times the rule's rate");
        train_and_score(arm, trial, seconds, false);
        record_.trials.push_back(trial);
        save();
        done = &record_.trials.back();
      }
      if (!done->dev_loss || *done->dev_loss >= lowest) continue;
      lowest = *done->dev_loss;
      best = factor;
    }
    return best;
  }

  types::FreezePlan plan_of(const BenchArm& arm, const BenchRow& row, double seconds) const {
    const types::ModelShape shape = session_.shape();
    const StepPrice price = step_price(arm, row.eof, static_cast<std::uint64_t>(row.seed), options_.redraw, record_.cost, shape, record_.data);
    types::FreezePlan plan;
    plan.shape = shape;
    plan.data = record_.data;
    plan.cost = record_.cost;
    plan.rule = types::Rule::kFixed;
    plan.eof = row.eof;
    plan.batch_tokens = options_.batch.batch_tokens;
    plan.pack = options_.batch.pack;
    plan.steps = cost::steps_within(seconds, price.first, price.later, steps_per_epoch());
    if (plan.steps < 2) {
      throw Error(ErrorKind::kBudget, row_key(row) + ": " + core::format_seconds(seconds) + " on the virtual clock pay for " +
                                          std::to_string(plan.steps) + " steps; give more --minutes");
    }
    plan.budget = {static_cast<double>(plan.steps), types::BudgetUnit::kSteps};
    plan.epochs = static_cast<double>(plan.steps) / steps_per_epoch();
    plan.evaluations = options_.dev_documents > 0 ? kEvaluations : 0;
    const std::int64_t as_cut = arm.masked() ? shape.blocks - arm.number : row.eof;
    plan.learning_rate = std::min(1.0, row.rate_factor * policy::learning_rate(shape, std::min(as_cut, shape.blocks - 1)));
    return plan;
  }

  static double virtual_seconds(std::int64_t steps, const StepPrice& price, double steps_per_epoch) {
    const double first = std::min(static_cast<double>(steps), steps_per_epoch);
    return first * price.first + (static_cast<double>(steps) - first) * price.later;
  }

  // On a model read anew, so that no arm sees another's weights.
  void train_and_score(const BenchArm& arm, BenchRow& row, double seconds, bool on_test) const {
    const ModelSession session = open_model(options_.model, true);
    const data::Dataset dataset = read_data(session);
    const types::FreezePlan plan = plan_of(arm, row, seconds);
    const data::Batcher rows = train_rows(session, dataset);
    const data::Batcher dev(dataset,
                            options_.dev_documents > 0 ? dev_documents(dataset, options_.dev_documents, static_cast<std::uint64_t>(options_.model.seed))
                                                       : std::vector<std::int64_t>{},
                            options_.batch, session.tokenizer->padding_id().value_or(0));
    train::TrainInputs inputs{*session.model, *session.cut, rows, dev, plan, options_.train};
    inputs.options.patience = 0;  // equal budgets are spent
    inputs.options.checkpoint_seconds = 0.0;
    inputs.seed = static_cast<std::uint64_t>(row.seed);
    inputs.autocast = autocast_type(options_.model.dtype, session.device);
    inputs.folder = file("running");
    fs::create_directories(inputs.folder);
    if (arm.masked()) {
      inputs.blocks = [arm, blocks = plan.shape.blocks, seed = inputs.seed, redraw = options_.redraw](std::int64_t step) {
        return arm_blocks(arm, blocks, seed, step, redraw);
      };
    }
    const types::RunRecord run = train::train(inputs, progress_);
    std::error_code ignored;
    fs::remove_all(inputs.folder, ignored);
    if (run.status == types::RunStatus::kInterrupted) throw Stopped{};
    fill(row, run, plan, arm);
    if (run.status == types::RunStatus::kDiverged) core::log_warning(row_key(row) + ": diverged; its best weights are scored");
    if (on_test) score(session, dataset, row);
  }

  void fill(BenchRow& row, const types::RunRecord& run, const types::FreezePlan& plan, const BenchArm& arm) const {
    row.learning_rate = plan.learning_rate;
    row.steps = run.steps;
    row.tokens = run.tokens;
    row.supervised_tokens = run.supervised_tokens;
    row.unique_tokens = std::min(run.supervised_tokens, plan.data.supervised_tokens);
    row.seconds = run.measured_seconds.total();
    if (run.best) row.dev_loss = run.best->loss;
    row.virtual_seconds = virtual_seconds(
        run.steps, step_price(arm, row.eof, static_cast<std::uint64_t>(row.seed), options_.redraw, plan.cost, plan.shape, plan.data),
        steps_per_epoch());
  }

  void print() const {
    if (options_.common.json) {
      core::Json rows = core::Json::array();
      for (const BenchRow& row : record_.rows) rows.push_back(core::to_json(row));
      std::fputs(core::format_json(rows).c_str(), stdout);
      return;
    }
    std::fputs(bench_table(record_, file("losses")).c_str(), stdout);
    std::printf("%s\n", core::printable(file("bench.json").string()).c_str());
  }

  const BenchOptions& options_;
  core::Progress& progress_;
  core::OutputFolder folder_;
  ModelSession session_;
  data::Dataset dataset_;
  std::vector<BenchArm> arms_;
  std::optional<types::LayerProfile> profile_;
  BenchRecord record_;
};

}  // namespace

std::vector<std::string> BenchOptions::problems() const {
  std::vector<std::string> problems;
  if (model.model.empty()) problems.emplace_back("a model is needed: a model directory, a run directory or an archive");
  if (data.data.empty()) problems.emplace_back("--data FILE is needed: the documents to train on and to score");
  if (data.data == "-") problems.emplace_back("--data -: a bench reads its rows again for each arm: they have to be in a file");
  if (output.empty()) problems.emplace_back("--output needs a folder");
  if (arms.empty()) problems.emplace_back("--arms: at least one is needed");
  if (minutes.empty()) problems.emplace_back("--minutes: at least one is needed");
  if (rates.size() > 1 && dev_documents == 0) problems.emplace_back("--rates are compared on dev: --dev-documents must be above 0");
  for (const std::string& arm : arms) {
    try {
      parse_arm(arm);
    } catch (const Error& error) {
      problems.emplace_back(error.what());
    }
  }
  return problems;
}

int bench_command(const BenchOptions& options, core::Progress& progress) { return Bench(options, progress).execute(); }

}  // namespace salf::tools
