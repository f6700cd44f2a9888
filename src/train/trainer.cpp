#include "salf/train/trainer.h"

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <memory>
#include <string>
#include <utility>

#include "batch_stream.h"
#include "budget_limits.h"
#include "gate_check.h"
#include "matrix_products.h"
#include "metrics.h"
#include "resources.h"
#include "salf/core/clock.h"
#include "salf/core/error.h"
#include "salf/core/log.h"
#include "salf/core/signals.h"
#include "salf/core/statistics.h"
#include "salf/core/text.h"
#include "salf/train/checkpoint.h"
#include "salf/train/evaluate.h"
#include "salf/train/frozen_weights.h"
#include "salf/train/pacer.h"
#include "salf/train/prefix_cache.h"
#include "salf/train/schedule.h"
#include "stage.h"

namespace salf::train {
namespace {

using types::BudgetUnit;
using types::RunStatus;

// "No end yet": the clock has not settled where the cooldown starts.
constexpr std::int64_t kOpen = std::int64_t{1} << 60;
// What a disk surely writes a second; only used before the first checkpoint was timed.
constexpr double kSlowDiskBytes = 1e8;
const char* const kGoingBack = "stopped, going back to the best weights";

// Nothing where no cache takes their place, or the disk has no room.
std::optional<MappedWeights> map_frozen(const TrainInputs& inputs, const Freeze& freeze, const PrefixCache* cache) {
  if (cache == nullptr) return std::nullopt;
  try {
    return MappedWeights(weights_below(freeze, inputs.cut, inputs.plan.eof), inputs.folder);
  } catch (const Error& error) {
    core::log_info(std::string("the frozen weights stay in memory: ") + error.what());
    return std::nullopt;
  }
}

// The steps with the most tokens: those that can be compared with one another.
struct FullestSteps {
  std::int64_t tokens = 0, supervised_tokens = 0;
  std::vector<double> seconds;

  void add(const StepResult& result, double took) {
    if (result.tokens < tokens) return;
    if (result.tokens > tokens) seconds.clear();
    tokens = result.tokens;
    supervised_tokens = result.supervised_tokens;
    seconds.push_back(took);
  }
};

class Run {
 public:
  Run(const TrainInputs& inputs, core::Progress& progress)
      : inputs_(inputs),
        progress_(progress),
        clock_(inputs.clock ? inputs.clock : core::process_seconds),
        caches_(inputs) {
    if (!inputs.plan.budget.deterministic() && !inputs.replay)
      pacer_.emplace(pacer_options(inputs));
    settle_schedule();
    inputs.resume ? resume() : start();
    frozen_ = map_frozen(inputs, stage_->freeze, caches_.train(stage_cuts(inputs.plan).size() - 1));
  }

  types::RunRecord execute() {
    begin_progress();
    RunStatus status = RunStatus::kRunning;
    while (status == RunStatus::kRunning) status = advance();
    if (status == RunStatus::kFinished || status == RunStatus::kBudgetReached) {
      if (last_evaluation_due() && !evaluate_dev()) status = RunStatus::kDiverged;
    }
    if (status != RunStatus::kDiverged && status != RunStatus::kInterrupted && !gates_hold_at_end()) status = RunStatus::kGateFailed;
    progress_.end();
    return close(status);
  }

 private:
  // One turn of the loop: evaluate, save, stop or step. kRunning: go on.
  RunStatus advance() {
    release_frozen();
    if (evaluation_due()) {
      if (!evaluate_dev()) return RunStatus::kDiverged;
      if (gate_failed_) return RunStatus::kGateFailed;
      if (patience_is_out() && !stage_ends()) return RunStatus::kStoppedEarly;
    }
    if (checkpoint_due()) save_checkpoint();
    if (core::stop_signal() != 0) {
      save_checkpoint();
      return RunStatus::kInterrupted;
    }
    if (branch_due()) {
      branch(inputs_.branches[branches_done_++]);
      return RunStatus::kRunning;
    }
    if (stage_ends() && (inputs_.replay || !can_evaluate())) {
      end_stage();
      return RunStatus::kRunning;
    }
    if (at_end()) {
      return state_.step >= inputs_.plan.steps ? RunStatus::kFinished : RunStatus::kBudgetReached;
    }
    return train_step() ? RunStatus::kRunning : RunStatus::kDiverged;
  }

  bool branch_due() const {
    if (branches_done_ == inputs_.branches.size()) return false;
    return state_.step >= schedule_for_steps(inputs_.branches[branches_done_]).cooldown_start;
  }

  // Cools down from here to `steps`, hands the result over, and goes back.
  void branch(std::int64_t steps) {
    const double before = watch_.seconds();
    const Progression trunk = state_;
    const Schedule schedule = schedule_;
    const std::int64_t limit = limit_;
    const types::CostBreakdown seconds = seconds_;
    Snapshot weights(stage_->freeze.trained(), inputs_.folder);
    weights.take();
    std::vector<tensor::NamedTensor> moments = stage_->optimizer.state("adam/");
    for (auto& named : moments) named.tensor = named.tensor.clone();
    branching_ = true;
    schedule_ = {schedule.warmup_steps, trunk.step, steps - trunk.step};
    limit_ = steps;
    const RunStatus status = cool_down();
    if (status != RunStatus::kInterrupted) inputs_.branched(close(status));
    branching_ = false;
    weights.restore();
    stage_->optimizer.load_state(moments, "adam/", trunk.step);
    state_ = trunk;
    schedule_ = schedule;
    limit_ = limit;
    seconds_ = seconds;
    stream_.emplace(inputs_.train, inputs_.seed, state_.epoch, state_.batch);
    aside_ += watch_.seconds() - before;
  }

  RunStatus cool_down() {
    while (state_.step < limit_) {
      if (core::stop_signal() != 0) return RunStatus::kInterrupted;
      if (!train_step()) return RunStatus::kDiverged;
    }
    if (can_evaluate() && !evaluate_dev()) return RunStatus::kDiverged;
    return core::stop_signal() != 0 ? RunStatus::kInterrupted : RunStatus::kFinished;
  }

  // Where the cut may move: a share of the budget is spent (types::stage_end), or the loss does not fall any more.
  bool stage_ends() const {
    if (state_.stages.empty() || state_.stages.back().decision.choice == types::StageChoice::kStay) return false;
    const std::size_t next = stage_->index + 1;
    if (next == inputs_.plan.stages.size()) return false;
    if (inputs_.replay) return next < inputs_.replay->stages.size() && state_.step == inputs_.replay->stages[next].first_step;
    if (state_.step == state_.stages.back().first_step) return false;
    if (patience_is_out()) return true;
    const double end = types::stage_end(stage_->index, inputs_.plan.stages.size());
    if (!pacer_) return static_cast<double>(state_.step) >= std::floor(end * static_cast<double>(limit_));
    const double began = state_.stages.front().began_seconds;
    return !state_.cooldown_start && spent() - began >= end * (pacer_->deadline() - began);
  }

  void end_stage() {
    close_stage();
    const std::int64_t next = inputs_.plan.stages[stage_->index + 1];
    const double ratio = slower(inputs_.plan, *stage_, next);
    types::StageRecord& stage = state_.stages.back();
    if (!inputs_.replay) stage.decision = inputs_.next_stage(stage_end(next, ratio));
    core::log_info("stage " + std::to_string(stage_->index + 1) + ": " + stage.decision.reason);
    if (stage.decision.choice != types::StageChoice::kNext) return;
    if (pacer_) pacer_->expect_step(ratio * pacer_->step_seconds());
    stage_ = next_stage(std::move(stage_), inputs_, caches_);
    state_.worse_evaluations = 0;
    fullest_ = {};
    begin_stage();
  }

  types::StageEnd stage_end(std::int64_t next, double ratio) const {
    types::StageEnd end;
    end.stages = state_.stages;
    end.next_eof = next;
    end.step_tokens = static_cast<double>(state_.supervised_tokens) / static_cast<double>(std::max<std::int64_t>(1, state_.step));
    end.unique_tokens = static_cast<double>(inputs_.train.supervised_tokens());
    end.steps_staying = end.steps_next = static_cast<double>(limit_ - state_.step);
    if (!pacer_) return end;
    const double left = std::max(0.0, pacer_->deadline() - spent() - pacer_->evaluation_seconds());
    const double most = inputs_.plan.most_steps > 0 ? static_cast<double>(inputs_.plan.most_steps - state_.step) : 1e15;
    end.steps_staying = std::min(most, left / pacer_->step_seconds());
    end.steps_next = std::min(most, left / (ratio * pacer_->step_seconds()));
    return end;
  }

  void begin_stage() {
    if (inputs_.plan.stages.empty()) return;
    types::StageRecord stage;
    stage.eof = stage_->eof;
    stage.learning_rate = stage_->learning_rate;
    stage.first_step = state_.step;
    stage.began_seconds = spent();
    state_.stages.push_back(std::move(stage));
  }

  // What the open stage did so far.
  void close_stage() {
    if (state_.stages.empty()) return;
    types::StageRecord& stage = state_.stages.back();
    stage.steps = state_.step - stage.first_step;
    stage.seconds = spent() - stage.began_seconds;
    if (!state_.evaluations.empty() && state_.evaluations.back().step > stage.first_step) stage.evaluation = state_.evaluations.back();
    if (inputs_.replay) stage.decision = inputs_.replay->stages.at(stage_->index).decision;
  }

  // What is new in a later stage has no moments yet.
  double stage_warmup() const {
    if (stage_->index == 0) return 1.0;
    const std::int64_t done = state_.step - state_.stages.back().first_step;
    return std::min(1.0, static_cast<double>(done + 1) / static_cast<double>(schedule_.warmup_steps + 1));
  }

  // Once: nothing but saving reads the weights below the cut from then on.
  void release_frozen() {
    if (!frozen_ || frozen_released_ || !caches_.complete()) return;
    frozen_->release();
    frozen_released_ = true;
  }

  void settle_schedule() {
    const types::FreezePlan& plan = inputs_.plan;
    std::int64_t spread = plan.steps;  // what the evaluations are spread over
    if (plan.budget.deterministic()) {
      schedule_ = schedule_for_steps(affordable_steps(inputs_));
      limit_ = spread = schedule_.total();
      state_.cooldown_start = schedule_.cooldown_start;
    } else if (inputs_.replay) {
      settle_cooldown(inputs_.replay->cooldown_start);
    } else {
      schedule_ = {warmup_steps(plan.steps), kOpen, 1};
    }
    if (inputs_.replay) limit_ = inputs_.replay->steps;
    const std::int64_t gaps = std::max<std::int64_t>(1, plan.evaluations - 1);
    interval_ = std::max<std::int64_t>(1, (spread + gaps - 1) / gaps);
  }

  void settle_cooldown(std::int64_t start) {
    schedule_ = schedule_for_cooldown(warmup_steps(inputs_.plan.steps), start);
    limit_ = schedule_.total();
    state_.cooldown_start = start;
  }

  void start() {
    stage_ = std::make_unique<Stage>(inputs_, caches_, 0);
    stream_.emplace(inputs_.train, inputs_.seed, 0, 0);
    metrics_.emplace(MetricsFile::start(inputs_.folder / "metrics.jsonl"));
    state_.gates = inputs_.gates;
    begin_stage();
    stage_->best.take();
  }

  void resume() {
    const std::optional<Checkpoint> saved = read_latest_checkpoint(inputs_.folder);
    if (!saved) {
      throw Error(ErrorKind::kUsage,
                  inputs_.folder.string() +
                      ": there is no checkpoint to resume from; start without --resume");
    }
    check_identity(saved->identity, full_identity(inputs_));
    state_ = saved->progression;
    carried_ = saved->progression;
    stage_ = std::make_unique<Stage>(inputs_, caches_, state_.stages.empty() ? 0 : state_.stages.size() - 1);
    if (!inputs_.plan.budget.deterministic() && state_.cooldown_start)
      settle_cooldown(*state_.cooldown_start);
    if (load_weights(stage_->freeze.trained(), saved->tensors, "best/")) {
      stage_->best.take();
      load_weights(stage_->freeze.trained(), saved->tensors, "weight/");
    } else {
      load_weights(stage_->freeze.trained(), saved->tensors, "weight/");
      stage_->best.take();
    }
    stage_->optimizer.load_state(saved->tensors, "adam/", state_.step);
    stream_.emplace(inputs_.train, inputs_.seed, state_.epoch, state_.batch);
    metrics_.emplace(MetricsFile::resume(inputs_.folder / "metrics.jsonl", state_.step,
                                         static_cast<std::int64_t>(state_.evaluations.size())));
    last_checkpoint_ = spent();
    saved_step_ = state_.step;
  }

  double spent() const { return carried_.spent_seconds + clock_(); }

  bool evaluated_now() const {
    return !state_.evaluations.empty() && state_.evaluations.back().step == state_.step;
  }
  bool can_evaluate() const {
    return inputs_.dev.rows() > 0 && inputs_.plan.evaluations > 0 && !evaluated_now() &&
           (!pacer_ || pacer_->evaluation_fits(spent()));
  }
  bool evaluation_due() const {
    if (!can_evaluate()) return false;
    if (inputs_.replay) {
      const auto& steps = inputs_.replay->evaluated;
      return std::find(steps.begin(), steps.end(), state_.step) != steps.end();
    }
    if (state_.step == limit_ || stage_ends() || (state_.step == 0 && needs_loss_before(inputs_.gates))) return true;
    return inputs_.plan.evaluations > 1 && state_.step % interval_ == 0;
  }
  // The end came earlier than planned: evaluate where it came.
  bool last_evaluation_due() const { return !inputs_.replay && can_evaluate(); }

  // False if the loss is not finite.
  bool evaluate_dev() {
    progress_.end();
    const double before = spent();
    EvaluateOptions options;
    options.autocast = inputs_.autocast;
    options.cache = stage_->dev_cache;
    options.eof = stage_->eof;
    std::vector<DocumentLoss> documents;
    options.documents = &documents;
    options.keep_going = [this] {
      return core::stop_signal() == 0 && (!pacer_ || spent() < pacer_->deadline());
    };
    const std::optional<Evaluation> result = evaluate(inputs_.cut, inputs_.dev, options, progress_);
    const double took = spent() - before;
    if (pacer_) pacer_->evaluation_took(took);
    watch_memory(memory_use().anonymous);
    begin_progress();
    if (!result) return true;  // interrupted, or out of time: no result, and the loop sees why
    seconds_.evaluation += result->seconds;
    const types::DevEvaluation evaluation{state_.step, result->loss.value, result->standard_error,
                                          result->seconds};
    if (!branching_) {
      metrics_->write(evaluation);
      for (RunObserver* observer : inputs_.observers) observer->evaluation(evaluation, documents);
    }
    if (!std::isfinite(evaluation.loss)) {
      core::log_error("the dev loss after step " + std::to_string(state_.step) +
                      " is not finite: " + kGoingBack);
      return false;
    }
    state_.evaluations.push_back(evaluation);
    if (evaluation.step > 0 && !gates_hold(figures_of(evaluation, result->accuracy.value), /*at_end=*/false)) {
      gate_failed_ = true;
      return true;
    }
    keep_if_best(evaluation, result->accuracy.value);
    return true;
  }

  RunFigures figures_of(const std::optional<types::DevEvaluation>& evaluation, const std::optional<double>& accuracy) const {
    RunFigures figures;
    figures.step = state_.step;
    if (evaluation) {
      figures.step = evaluation->step;
      figures.loss = evaluation->loss;
      figures.accuracy = accuracy;
    }
    const auto& evaluations = state_.evaluations;
    if (!evaluations.empty() && evaluations.front().step == 0) figures.loss_before = evaluations.front().loss;
    figures.seconds = spent();
    figures.peak_memory = static_cast<double>(state_.peak_anonymous_bytes);
    return figures;
  }

  bool gates_hold(const RunFigures& figures, bool at_end) {
    const std::vector<std::string> failures = check_gates(state_.gates, figures, at_end);
    for (const std::string& failure : failures) core::log_error(failure + ": " + kGoingBack);
    return failures.empty();
  }

  // Of the weights that are kept.
  bool gates_hold_at_end() { return !gate_failed_ && gates_hold(figures_of(state_.best, state_.best_accuracy), /*at_end=*/true); }

  void keep_if_best(const types::DevEvaluation& evaluation, double accuracy) {
    if (state_.best && state_.best->loss <= evaluation.loss) {
      ++state_.worse_evaluations;
      return;
    }
    state_.best = evaluation;
    state_.best_accuracy = accuracy;
    state_.worse_evaluations = 0;
    if (!branching_) stage_->best.take();
  }

  bool patience_is_out() const {
    return inputs_.options.patience > 0 && state_.worse_evaluations >= inputs_.options.patience;
  }

  // Settles the cooldown where the clock says so, and tells whether no further step is to be done.
  bool at_end() {
    if (state_.step >= limit_) return true;
    if (!pacer_) return false;
    const std::int64_t most = inputs_.plan.most_steps;
    const bool data_is_used_up = most > 0 && state_.step >= schedule_for_steps(most).cooldown_start;
    if (!state_.cooldown_start &&
        (data_is_used_up || pacer_->must_cool_down(state_.step, spent(), interval_))) {
      settle_cooldown(state_.step);
    }
    return !pacer_->step_fits(spent());
  }

  // False if the loss was not finite.
  bool train_step() {
    const double before = spent();
    const core::Stopwatch watch;
    StepMetrics line;
    line.epoch = stream_->epoch();
    line.learning_rate = stage_->learning_rate * rate_factor(schedule_, state_.step) * stage_warmup();
    std::vector<tensor::Batch> batches;
    double flops = 0.0;
    double avoided = 0.0;
    for (std::int64_t i = 0; i < inputs_.plan.accumulate; ++i) {
      const bool again = stream_->epoch() > 0 && stage_->cache != nullptr;
      batches.push_back(stream_->next());
      if (!inputs_.batch_flops) continue;
      flops += inputs_.batch_flops(batches.back(), stage_->eof, again);
      if (stage_->cache && stage_->cache->holds(batches.back())) {
        avoided += inputs_.batch_flops(batches.back(), stage_->eof, false) - inputs_.batch_flops(batches.back(), stage_->eof, true);
      }
    }
    if (inputs_.blocks) stage_->freeze.train_only(inputs_.cut, inputs_.blocks(state_.step));
    const StepResult result = stage_->runner.run(batches, line.learning_rate, seconds_);
    if (!result.finite) {
      core::log_error("step " + std::to_string(state_.step + 1) + ": loss " +
                      core::format_number(result.loss) + ", gradient norm " +
                      core::format_number(result.gradient_norm) + ": " + kGoingBack);
      return false;
    }
    count(result);
    state_.flops += flops;
    state_.flops_avoided += avoided;
    line.seconds = watch.seconds();
    line.loss = result.loss;
    write_line(line);
    watch_memory(result.anonymous_bytes);
    // Later epochs show what a step costs once the frozen part is paid for.
    if (!stage_->cache || line.epoch > 0) fullest_.add(result, line.seconds);
    report(result);
    if (pacer_) pacer_->step_took(spent() - before);
    return true;
  }

  void count(const StepResult& result) {
    ++state_.step;
    state_.epoch = stream_->epoch();
    state_.batch = stream_->batch();
    state_.tokens += result.tokens;
    state_.supervised_tokens += result.supervised_tokens;
  }

  void write_line(StepMetrics& line) {
    if (branching_) return;
    line.step = state_.step;
    line.tokens = state_.tokens;
    line.supervised_tokens = state_.supervised_tokens;
    line.budget_spent = budget_share(inputs_, state_, spent(), schedule_.total());
    metrics_->write(line);
    for (RunObserver* observer : inputs_.observers) observer->step(line);
  }

  bool checkpoint_due() const {
    if (state_.step == saved_step_ || state_.step == 0) return false;
    const TrainOptions& options = inputs_.options;
    const bool by_steps =
        options.checkpoint_steps > 0 && state_.step % options.checkpoint_steps == 0;
    const bool by_seconds = options.checkpoint_seconds > 0.0 &&
                            spent() - last_checkpoint_ >= options.checkpoint_seconds;
    if (!by_steps && !by_seconds) return false;
    return !pacer_ || pacer_->step_fits(spent() + checkpoint_seconds());
  }

  // Weights, best weights and two moments.
  double checkpoint_seconds() const {
    if (checkpoint_took_ > 0.0) return checkpoint_took_;
    return 4.0 * 4.0 * static_cast<double>(stage_->freeze.trained_count()) / kSlowDiskBytes;
  }

  void save_checkpoint() {
    const core::Stopwatch watch;
    Checkpoint checkpoint;
    checkpoint.identity = full_identity(inputs_);
    checkpoint.progression = state_;
    checkpoint.progression.spent_seconds = spent();
    checkpoint.progression.measured_seconds = measured();
    checkpoint.tensors = weight_tensors(stage_->freeze.trained(), "weight/");
    const bool best_is_present = state_.best && state_.best->step == state_.step;
    const auto add = [&](std::vector<tensor::NamedTensor> more) {
      for (auto& named : more) checkpoint.tensors.push_back(std::move(named));
    };
    if (!best_is_present) add(stage_->best.tensors("best/"));
    add(stage_->optimizer.state("adam/"));
    write_checkpoint(inputs_.folder, checkpoint);
    checkpoint_took_ = watch.seconds();
    last_checkpoint_ = spent();
    saved_step_ = state_.step;
  }

  types::CostBreakdown measured() const {
    types::CostBreakdown here = seconds_;
    here.fixed = std::max(0.0, watch_.seconds() - aside_ - seconds_.total());
    return sum(carried_.measured_seconds, here);
  }

  void watch_memory(std::int64_t anonymous) {
    state_.peak_anonymous_bytes = std::max(state_.peak_anonymous_bytes, anonymous);
  }

  // Time budgets show the time, the others their steps.
  void begin_progress() {
    if (pacer_) {
      progress_.begin("training", static_cast<std::int64_t>(inputs_.plan.clock_seconds()), "seconds");
    } else {
      progress_.begin("training", limit_, "steps");
    }
  }

  void report(const StepResult& result) {
    const std::string loss = "loss " + core::format_number(result.loss);
    if (pacer_) {
      progress_.update(static_cast<std::int64_t>(spent()),
                       "step " + std::to_string(state_.step) + ", " + loss);
    } else {
      progress_.update(state_.step, loss);
    }
  }

  types::RunRecord close(RunStatus status) {
    close_stage();
    const bool last_is_best = state_.best && state_.best->step == state_.step;
    const bool broken = status == RunStatus::kDiverged || status == RunStatus::kGateFailed;
    if (broken || (state_.best && !last_is_best)) stage_->best.restore();
    types::RunRecord record;
    record.options = core::to_json(inputs_.options);
    record.seed = inputs_.seed;
    record.plan = inputs_.plan;
    record.status = status;
    record.exit_signal = status == RunStatus::kInterrupted ? core::stop_signal() : 0;
    record.steps = state_.step;
    record.epochs =
        static_cast<double>(state_.epoch) +
        static_cast<double>(state_.batch) / static_cast<double>(stream_->batches_of_epoch());
    record.tokens = state_.tokens;
    record.supervised_tokens = state_.supervised_tokens;
    record.learning_rate = inputs_.plan.learning_rate;
    record.cooldown_start_step = state_.cooldown_start;
    fill_evaluations(record);
    record.stages = state_.stages;
    record.predicted_seconds = inputs_.plan.predicted_seconds;
    record.predicted_flops = inputs_.plan.predicted_flops.total();
    record.measured_seconds = measured();
    record.flops = state_.flops;
    record.peak_resident_bytes = memory_use().peak_resident;
    record.peak_anonymous_bytes = state_.peak_anonymous_bytes;
    fill_frozen_part(record);
    fill_speed(record);
    return record;
  }

  void fill_frozen_part(types::RunRecord& record) const {
    if (stage_->eof > 0) record.activation_bytes_below_cut = 0;
    if (frozen_) record.frozen_bytes_mapped = frozen_->bytes();
    record.cache = caches_.use();
    if (record.cache) record.cache->flops_avoided = state_.flops_avoided;
  }

  void fill_speed(types::RunRecord& record) const {
    const types::CostBreakdown& spent = record.measured_seconds;
    const double steps = spent.total() - spent.evaluation - spent.fixed;
    if (steps <= 0.0) return;
    record.tokens_per_second = static_cast<double>(record.tokens) / steps;
    record.flops_per_second = record.flops / steps;
    if (!inputs_.options.measure_products || fullest_.seconds.empty()) return;
    record.matrix_products = time_matrix_products(inputs_.cut, stage_->freeze, fullest_.tokens, fullest_.supervised_tokens);
    record.matrix_products->share_of_step = record.matrix_products->seconds / core::median(fullest_.seconds);
  }

  void fill_evaluations(types::RunRecord& record) const {
    record.evaluations = state_.evaluations;
    record.best = state_.best;
    record.gates = state_.gates;
    if (state_.evaluations.empty()) return;
    if (state_.evaluations.front().step == 0) record.before = state_.evaluations.front();
    if (evaluated_now()) record.after = state_.evaluations.back();
  }

  const TrainInputs& inputs_;
  core::Progress& progress_;
  std::function<double()> clock_;
  core::Stopwatch watch_;
  StageCaches caches_;
  std::unique_ptr<Stage> stage_;
  std::optional<MappedWeights> frozen_;  // those below the cut, the last one of a run in stages
  bool frozen_released_ = false;
  bool gate_failed_ = false;
  std::optional<Pacer> pacer_;
  std::optional<BatchStream> stream_;
  std::optional<MetricsFile> metrics_;
  Schedule schedule_;
  std::int64_t limit_ = kOpen;  // steps at which the run ends
  std::int64_t interval_ = 1;   // steps between evaluations
  Progression state_;
  Progression carried_;           // what an earlier process had spent
  types::CostBreakdown seconds_;  // of this process
  FullestSteps fullest_;
  double last_checkpoint_ = 0.0;
  double checkpoint_took_ = 0.0;
  std::int64_t saved_step_ = -1;
  std::size_t branches_done_ = 0;
  bool branching_ = false;
  double aside_ = 0.0;  // seconds in branches
};

}  // namespace

Replay replay_of(const types::RunRecord& record) {
  if (record.status == RunStatus::kRunning || record.status == RunStatus::kInterrupted ||
      record.status == RunStatus::kDiverged) {
    throw Error(ErrorKind::kBadInput,
                "the run to replay did not come to its end (status " +
                    core::enum_to_string(record.status) +
                    "); replay one that finished, or resume an interrupted one first");
  }
  Replay replay;
  replay.steps = record.steps;
  // A run that ended before its cooldown was settled had none.
  replay.cooldown_start = record.cooldown_start_step.value_or(kOpen);
  for (const auto& evaluation : record.evaluations) replay.evaluated.push_back(evaluation.step);
  replay.stages = record.stages;
  return replay;
}

types::RunRecord train(const TrainInputs& inputs, core::Progress& progress) {
  return Run(inputs, progress).execute();
}

}  // namespace salf::train
