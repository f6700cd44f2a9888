#include "train/run/trainer.h"

#include <algorithm>

#include "core/clock.h"
#include "core/log.h"
#include "core/signals.h"
#include "distributed/group.h"
#include "tensor/device.h"
#include "train/run/checkpoint.h"
#include "train/run/gate_check.h"
#include "train/run/metrics.h"
#include "train/run/pacing.h"
#include "train/run/run.h"
#include "train/run/stage_policy.h"

namespace salf::train {

using types::RunStatus;

namespace {

// Once all ranks have read: rank 0 may write and remove checkpoints from now on.
void check_alike(distributed::Group& ranks, const std::filesystem::path& folder,
    const std::optional<Checkpoint>& saved) {
  const auto steps = ranks.all_gather(saved ? std::to_string(saved->run.state.step) : "none");
  for (std::size_t rank = 1; rank < steps.size(); ++rank) {
    if (steps[rank] == steps[0]) continue;
    throw Error(ErrorKind::kUsage,
        folder.string() + ": the latest checkpoint is of step " + steps[0] +
            " for rank 0, of step " + steps[rank] + " for rank " + std::to_string(rank) +
            ": all ranks need the same folder, on a file system that all machines share");
  }
}

// What the run goes on from; one without tensors if it is new.
Checkpoint begin(const TrainInputs& inputs) {
  Checkpoint fresh;
  fresh.course.gates = inputs.gates;
  if (!inputs.resume) return fresh;
  const std::filesystem::path& folder = inputs.run.where.folder;
  std::optional<Checkpoint> saved = read_latest_checkpoint(folder);
  if (inputs.run.ranks != nullptr) check_alike(*inputs.run.ranks, folder, saved);
  if (!saved) {
    throw Error(ErrorKind::kUsage,
        folder.string() + ": there is no checkpoint to resume from; start without --resume");
  }
  check_identity(saved->identity, full_identity(inputs.run));
  return *std::move(saved);
}

// What a user who gave no size of batches may not know.
std::string chosen_batches(const types::FreezePlan& plan) {
  if (plan.batch_reason.empty()) return "";
  return "; salf chose batches of " + std::to_string(plan.batch_tokens) +
         " tokens, which a resumed run keeps: start anew with --batch-tokens " +
         std::to_string(std::max<std::int64_t>(1, plan.batch_tokens / 2));
}

// Where the run can be taken up after it ran out of memory.
std::string what_is_kept(const std::filesystem::path& folder) {
  const auto step = latest_checkpoint_step(folder);
  if (!step) return "; the run had written no checkpoint yet";
  return "; the checkpoint of step " + std::to_string(*step) + " is kept: salf train --resume " +
         core::printable_path(folder) + " goes on from it where there is memory";
}

// A run with the policies that the loop consults.
class Training {
 public:
  Training(const TrainInputs& inputs, const Checkpoint& from, core::Progress& progress)
      : inputs_(inputs), plan_(inputs.run.what.plan), progress_(progress),
        pacing_(inputs, from.course), stages_(inputs, from.course.stages),
        gates_(from.course.gates), saving_(inputs.run.how.options),
        run_(inputs.run, stages_.place(), inputs.resume ? &from.run : nullptr),
        log_(inputs, pacing_, run_.state(), progress) {
    pacing_.agreement().meet();
    if (inputs.resume) {
      saving_.saved(run_.state().step, pacing_.spent(), 0.0);
    } else {
      begin_stage();
    }
    log_.begin();
  }

  types::RunRecord run() {
    RunStatus status = RunStatus::kRunning;
    while (status == RunStatus::kRunning) {
      if (evaluation_due()) {
        status = evaluate();
        if (status == RunStatus::kRunning && patience_is_out()) status = RunStatus::kStoppedEarly;
        if (status != RunStatus::kRunning) break;
      }
      if (checkpoint_due()) checkpoint();
      if (pacing_.agreement().stop_signal() != 0) {
        checkpoint();
        status = RunStatus::kInterrupted;
      } else if (stage_ends() && (inputs_.replay || !can_evaluate())) {
        end_stage();
      } else if (pacing_.at_end(run_.state().step)) {
        status = end();
      } else {
        status = step();
      }
    }
    const bool whole = status != RunStatus::kDiverged && status != RunStatus::kInterrupted &&
                       status != RunStatus::kGateFailed;
    const RunState& state = run_.state();
    if (whole && !gates_hold(state.best, state.best_accuracy, /*at_end=*/true))
      status = RunStatus::kGateFailed;
    return finish(status);
  }

 private:
  bool can_evaluate() const {
    return inputs_.run.what.dev.rows() > 0 && plan_.evaluations > 0 && !run_.state().evaluated() &&
           pacing_.evaluation_fits();
  }

  bool evaluation_due() const {
    if (!can_evaluate()) return false;
    const std::int64_t step = run_.state().step;
    if (inputs_.replay) {
      const auto& steps = inputs_.replay->evaluated;
      return std::find(steps.begin(), steps.end(), step) != steps.end();
    }
    if (step == pacing_.limit() || stage_ends()) return true;
    const auto needs_loss_before = [](const types::Gate& gate) {
      return gate.metric == types::GateMetric::kLossIncrease;
    };
    if (step == 0 && std::any_of(gates_.begin(), gates_.end(), needs_loss_before)) return true;
    return plan_.evaluations > 1 && pacing_.on_interval(step);
  }

  // kRunning, also where it was stopped or time ran out: there is no result then.
  RunStatus evaluate() {
    const MeasuredLosses losses = measure_dev();
    if (losses.stopped) return RunStatus::kRunning;
    const types::DevEvaluation evaluation = run_.dev_evaluation(losses.evaluation);
    log_.evaluation(evaluation, losses.documents);
    if (!run_.add(evaluation)) return RunStatus::kDiverged;
    const double accuracy = losses.evaluation.accuracy.value;
    if (evaluation.step > 0 && !gates_hold(evaluation, accuracy, /*at_end=*/false))
      return RunStatus::kGateFailed;
    run_.keep_if_best(accuracy);
    return RunStatus::kRunning;
  }

  // Where no further step is to be done; an end that came earlier than planned is evaluated.
  RunStatus end() {
    const RunStatus ended =
        run_.state().step >= plan_.steps ? RunStatus::kFinished : RunStatus::kBudgetReached;
    if (inputs_.replay || !can_evaluate()) return ended;
    const RunStatus result = evaluate();
    return result == RunStatus::kRunning ? ended : result;
  }

  bool patience_is_out() const {
    return run_.state().out_of_patience(inputs_.run.how.options.patience) && !stage_ends();
  }

  bool stage_ends() const { return stages_.ends(run_.state(), pacing_); }

  void end_stage() {
    if (!stages_.moves_on(run_.state(), pacing_, run_.cached())) return;
    run_.move_cut();
    begin_stage();
  }

  RunStatus step() {
    const double before = pacing_.spent();
    const std::int64_t done = run_.state().step;
    const double rate = run_.learning_rate() * rate_factor(pacing_.schedule(), done) *
                        stages_.warmup(done, pacing_.schedule());
    const std::optional<StepMetrics> metrics = run_.step(rate);
    pacing_.agreement().meet();
    if (!metrics) return RunStatus::kDiverged;
    log_.step(*metrics, run_.state());
    if (Pacer* const pacer = pacing_.pacer()) pacer->step_took(pacing_.spent() - before);
    return RunStatus::kRunning;
  }

  bool checkpoint_due() const {
    return saving_.due(run_.state().step, pacing_.spent()) &&
           pacing_.fits(saving_.seconds(run_.trained_count()));
  }

  void checkpoint() {
    const core::Stopwatch watch;
    run_.checkpoint({pacing_.spent(), pacing_.cooldown_start(), gates_, stages_.records()});
    const double took = pacing_.agreement().greatest(watch.seconds());
    pacing_.agreement().meet();
    saving_.saved(run_.state().step, pacing_.spent(), took);
  }

  types::RunRecord finish(RunStatus status) {
    log_.end();
    stages_.close(run_.state(), pacing_.spent());
    types::RunRecord record = run_.finish(status);
    record.cooldown_start_step = pacing_.cooldown_start();
    record.gates = gates_;
    record.stages = stages_.records();
    return record;
  }

  void begin_stage() {
    stages_.begin(run_.cut(), run_.learning_rate(), run_.state(), pacing_.spent());
  }

  MeasuredLosses measure_dev() {
    Pacer* const pacer = pacing_.pacer();
    if (run_.state().step == 0 && inputs_.before) {
      if (pacer != nullptr) pacer->evaluation_took(inputs_.before->evaluation.seconds);
      return *inputs_.before;
    }
    log_.end();
    const double before = pacing_.spent();
    const auto keep_going = [&] {
      return core::stop_signal() == 0 &&
             (pacer == nullptr || pacing_.agreement().own_spent() < pacer->deadline());
    };
    MeasuredLosses losses = run_.evaluate(keep_going, progress_);
    pacing_.agreement().meet();
    if (pacer != nullptr) pacer->evaluation_took(pacing_.spent() - before);
    log_.begin();
    return losses;
  }

  bool gates_hold(const std::optional<types::DevEvaluation>& evaluation,
      const std::optional<double>& accuracy, bool at_end) {
    const RunState& state = run_.state();
    RunFigures figures;
    figures.step = evaluation ? evaluation->step : state.step;
    if (evaluation) {
      figures.loss = evaluation->loss;
      figures.accuracy = accuracy;
    }
    if (const auto* before = state.before()) figures.loss_before = before->loss;
    figures.seconds = pacing_.spent();
    figures.peak_memory = static_cast<double>(state.peak_anonymous_bytes);
    const std::vector<std::string> failures = check_gates(gates_, figures, at_end);
    for (const std::string& failure : failures) core::log_error(failure + ": " + kGoingBack);
    return failures.empty();
  }

  const TrainInputs& inputs_;
  const types::FreezePlan& plan_;
  core::Progress& progress_;
  Pacing pacing_;
  StagePolicy stages_;
  std::vector<types::Gate> gates_;
  CheckpointTimer saving_;
  Run run_;
  RunLog log_;
};

}  // namespace

Replay replay_of(const types::RunRecord& record) {
  if (record.status == RunStatus::kRunning || record.status == RunStatus::kInterrupted ||
      record.status == RunStatus::kDiverged) {
    throw Error(ErrorKind::kBadInput,
        "the run to replay did not come to its end (status " + core::enum_to_string(record.status) +
            "); replay one that finished, or resume an interrupted one first");
  }
  Replay replay;
  replay.steps = record.steps;
  // A run that ended before its cooldown was settled had none.
  replay.cooldown_start = record.cooldown_start_step.value_or(kNoEnd);
  for (const auto& evaluation : record.evaluations) replay.evaluated.push_back(evaluation.step);
  replay.stages = record.stages;
  return replay;
}

types::RunRecord train(const TrainInputs& inputs, core::Progress& progress) {
  try {
    return Training(inputs, begin(inputs), progress).run();
  } catch (const std::exception& error) {
    const auto memory = tensor::out_of_memory(error);
    if (!memory) throw;
    throw Error(ErrorKind::kMemory, memory->what() + chosen_batches(inputs.run.what.plan) +
                                        what_is_kept(inputs.run.where.folder));
  }
}

}  // namespace salf::train
