#include "app/evidence/trunk.h"

#include "core/signals.h"
#include "core/text.h"
#include "train/run/agreement.h"
#include "train/run/pacing.h"
#include "train/run/run.h"
#include "train/step/schedule.h"

namespace salf::app {
namespace {

using types::RunStatus;

class TrunkRun {
 public:
  TrunkRun(const train::RunInputs& inputs, const Trunk& trunk, core::Progress& progress)
      : inputs_(inputs), trunk_(trunk), progress_(progress), run_(inputs),
        agreement_(inputs.ranks, nullptr, 0.0) {}

  RunStatus execute(const std::function<void(const types::RunRecord&)>& done) {
    const std::int64_t total = trunk_.lengths.back();
    RunStatus status = RunStatus::kRunning;
    std::size_t next = 0;
    begin_progress();
    while (status == RunStatus::kRunning) {
      agreement_.meet();
      const std::int64_t length = trunk_.lengths[next];
      const train::Schedule schedule = train::schedule_for_steps(length);
      if (evaluation_due() && !evaluate()) {
        status = RunStatus::kDiverged;
      } else if (agreement_.stop_signal() != 0) {
        status = RunStatus::kInterrupted;
      } else if (length < total && run_.state().step >= schedule.cooldown_start) {
        branch(length, done);
        ++next;
      } else if (run_.state().step == total) {
        status = RunStatus::kFinished;
      } else if (!step(train::schedule_for_steps(total))) {
        status = RunStatus::kDiverged;
      }
    }
    progress_.end();
    if (status == RunStatus::kInterrupted) return status;
    const types::RunRecord record = run_.finish(status);
    for (; next < trunk_.lengths.size(); ++next) done(record);
    return status;
  }

 private:
  void begin_progress() { progress_.begin("training", trunk_.lengths.back(), "steps"); }

  // To `length` steps from here and back.
  void branch(std::int64_t length, const std::function<void(const types::RunRecord&)>& done) {
    const train::RunSnapshot before = run_.snapshot();
    branching_ = true;
    const RunStatus status = cool_down(length);
    if (status != RunStatus::kInterrupted) done(run_.finish(status));
    branching_ = false;
    run_.restore(before);
  }

  RunStatus cool_down(std::int64_t length) {
    const std::int64_t start = run_.state().step;
    const train::Schedule trunk = train::schedule_for_steps(trunk_.lengths.back());
    const train::Schedule schedule{trunk.warmup_steps, start, length - start};
    while (run_.state().step < length) {
      agreement_.meet();
      if (agreement_.stop_signal() != 0) return RunStatus::kInterrupted;
      if (!step(schedule)) return RunStatus::kDiverged;
    }
    if (can_evaluate() && !evaluate()) return RunStatus::kDiverged;
    agreement_.meet();
    return agreement_.stop_signal() != 0 ? RunStatus::kInterrupted : RunStatus::kFinished;
  }

  bool step(const train::Schedule& schedule) {
    const std::int64_t done = run_.state().step;
    if (trunk_.blocks) run_.train_only(trunk_.blocks(done));
    const std::optional<train::StepMetrics> metrics =
        run_.step(run_.learning_rate() * train::rate_factor(schedule, done));
    if (!metrics) return false;
    if (!branching_) {
      for (train::RunObserver* observer : trunk_.observers) observer->step(*metrics);
    }
    progress_.update(metrics->step, "loss " + core::format_number(metrics->loss));
    return true;
  }

  bool can_evaluate() const {
    return inputs_.what.dev.rows() > 0 && inputs_.what.plan.evaluations > 0 &&
           !run_.state().evaluated();
  }

  bool evaluation_due() const {
    if (!can_evaluate()) return false;
    const std::int64_t planned = inputs_.what.plan.evaluations, total = trunk_.lengths.back();
    const std::int64_t step = run_.state().step;
    return step == total || (planned > 1 && step % train::evaluation_interval(planned, total) == 0);
  }

  // False if the loss is not finite.
  bool evaluate() {
    progress_.end();
    const train::MeasuredLosses losses =
        run_.evaluate([] { return core::stop_signal() == 0; }, progress_);
    begin_progress();
    if (losses.stopped) {
      agreement_.meet();
      return true;
    }
    const types::DevEvaluation evaluation = run_.dev_evaluation(losses.evaluation);
    if (!branching_) {
      for (train::RunObserver* observer : trunk_.observers)
        observer->evaluation(evaluation, losses.documents);
    }
    if (!run_.add(evaluation)) return false;
    run_.keep_if_best(losses.evaluation.accuracy.value);
    return true;
  }

  const train::RunInputs& inputs_;
  const Trunk& trunk_;
  core::Progress& progress_;
  train::Run run_;
  train::Agreement agreement_;
  bool branching_ = false;
};

}  // namespace

RunStatus run_trunk(const train::RunInputs& inputs, const Trunk& trunk,
    const std::function<void(const types::RunRecord&)>& done, core::Progress& progress) {
  return TrunkRun(inputs, trunk, progress).execute(done);
}

}  // namespace salf::app
