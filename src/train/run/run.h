// A run of the trainer while it goes on. trainer.cpp has its loop, and beside it:
// run_evaluation.cpp the dev split and the gates, run_stages.cpp the moves of the cut,
// run_state.cpp how it starts, resumes and is saved, run_record.cpp what it leaves behind.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include "core/clock.h"
#include "train/cache/frozen_weights.h"
#include "train/run/checkpoint.h"
#include "train/run/gate_check.h"
#include "train/run/metrics.h"
#include "train/run/pacer.h"
#include "train/run/stage.h"
#include "train/run/trainer.h"
#include "train/step/batch_stream.h"
#include "train/step/schedule.h"

namespace salf::train {

// "No end yet": the clock has not settled where the cooldown starts.
inline constexpr std::int64_t kOpen = std::int64_t{1} << 60;
inline constexpr const char* kGoingBack = "stopped, going back to the best weights";

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
  Run(const TrainInputs& inputs, core::Progress& progress);
  types::RunRecord execute();

 private:
  // One turn of the loop: evaluate, save, stop or step. kRunning: go on.
  types::RunStatus advance();
  bool branch_due() const;
  // Cools down from here to `steps`, hands the result over, and goes back.
  void branch(std::int64_t steps);
  types::RunStatus cool_down();
  // Once: nothing but saving reads the weights below the cut from then on.
  void release_frozen();
  void settle_schedule();
  void settle_cooldown(std::int64_t start);
  double spent() const { return carried_.spent_seconds + clock_(); }
  // Settles the cooldown where the clock says so, and tells whether no further step is to be done.
  bool at_end();
  // False if the loss was not finite.
  bool train_step();
  void count(const StepResult& result);
  void write_line(StepMetrics& line);
  types::CostBreakdown measured() const;
  void watch_memory(std::int64_t anonymous);
  // Time budgets show the time, the others their steps.
  void begin_progress();
  void report(const StepResult& result);

  // run_evaluation.cpp
  bool evaluated_now() const;
  bool can_evaluate() const;
  bool evaluation_due() const;
  // The end came earlier than planned: evaluate where it came.
  bool last_evaluation_due() const { return !inputs_.replay && can_evaluate(); }
  // Nothing where it was interrupted, or time ran out.
  std::optional<MeasuredLosses> measure_dev();
  // False if the loss is not finite.
  bool evaluate_dev();
  RunFigures figures_of(const std::optional<types::DevEvaluation>& evaluation,
      const std::optional<double>& accuracy) const;
  bool gates_hold(const RunFigures& figures, bool at_end);
  // Of the weights that are kept.
  bool gates_hold_at_end() {
    return !gate_failed_ &&
           gates_hold(figures_of(state_.best, state_.best_accuracy), /*at_end=*/true);
  }
  void keep_if_best(const types::DevEvaluation& evaluation, double accuracy);
  bool patience_is_out() const;

  // run_stages.cpp
  // Where the cut may move: a share of the budget is spent (types::stage_end), or the loss does not
  // fall any more.
  bool stage_ends() const;
  void end_stage();
  types::StageEnd stage_end(std::int64_t next, double ratio) const;
  void begin_stage();
  // What the open stage did so far.
  void close_stage();
  // What is new in a later stage has no moments yet.
  double stage_warmup() const;

  // run_state.cpp
  void start();
  void resume();
  bool checkpoint_due() const;
  // Weights, best weights and two moments.
  double checkpoint_seconds() const;
  void save_checkpoint();

  // run_record.cpp
  types::RunRecord close(types::RunStatus status);
  void fill_frozen_part(types::RunRecord& record) const;
  void fill_speed(types::RunRecord& record) const;
  void fill_evaluations(types::RunRecord& record) const;

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

}  // namespace salf::train
