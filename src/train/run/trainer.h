// The training loop: the prefix runs without autograd, the rest is tuned with AdamW under the
// plan's budget, is evaluated on held-out rows, and can be stopped and resumed at any step.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "core/progress.h"
#include "train/evaluate.h"
#include "train/run/run_inputs.h"
#include "train/run/run_observer.h"
#include "types/run_record.h"

namespace salf::train {

// What repeats a run byte for byte without looking at the clock.
struct Replay {
  std::int64_t cooldown_start = 0;
  std::int64_t steps = 0;
  std::vector<std::int64_t> evaluated;  // steps at which the dev split was evaluated
  std::vector<types::StageRecord> stages;
};
// Throws Error(kBadInput) if the record is of a run that did not come to its end (running,
// interrupted, diverged).
Replay replay_of(const types::RunRecord& record);

// What a budget by the clock is measured with.
class RunClock {
 public:
  virtual ~RunClock() = default;
  // All ranks, before they compare what they spent: here they add up what they have to.
  virtual void meet() {}
  // Seconds of the budget that this process has spent so far, analysis and loading included (of one
  // in energy or money, what a meter has shown, as seconds: cost::spent_seconds). A resumed run
  // adds what the checkpoint had spent.
  virtual double spent_seconds() const = 0;
};

// Decides at the end of a stage whether the cut moves on.
class StageDecider {
 public:
  virtual ~StageDecider() = default;
  virtual types::StageDecision decide(const types::StageEnd& end) = 0;
};

// A run, and what decides how it goes on. All pointers must outlive train().
struct TrainInputs {
  RunInputs run;
  bool resume = false;  // go on from the folder's latest checkpoint
  std::optional<Replay> replay{};
  // The dev evaluation before the first step, where it has been made already.
  std::optional<MeasuredLosses> before{};
  RunClock* clock = nullptr;  // null: core::process_seconds
  // What the caller still has to do inside the budget: saving the model.
  double closing_seconds = 0.0;
  // Needed where plan.stages has several, and asked unless the run is a replay. Each stage takes
  // the learning rate of its candidate, warmed up again. REQUIRES with stages: no LoRA, and no
  // budget in FLOPs or a share
  StageDecider* stages = nullptr;
  // Quality gates, looked at after each evaluation but the one before the first step, and at the
  // end of the weights that are kept. One that fails ends the run (kGateFailed) with the best
  // weights of those evaluations at which all held, or the weights before.
  std::vector<types::Gate> gates{};
  std::vector<RunObserver*> observers{};
};

// Runs the plan and returns the record (provenance, predictions and the budget's other parts are
// the caller's). At the end the model holds the best evaluated weights (record.best), also when the
// run diverged, was interrupted or a gate failed (then without the evaluation at which it did). An
// interrupted run has a checkpoint.
//
// metrics.jsonl in the folder receives a line a step,
//   {"step": 1, "epoch": 0, "tokens": …, "supervised_tokens": …, "seconds": …, "loss": …, "lr": …,
//    "budget_spent": …}
// (StepMetrics), and a line an evaluation, with the steps done before it,
//   {"step": …, "dev_loss": …, "seconds": …}
//
// Budgets: steps and epochs end with plan.steps; tokens, FLOPs and shares end earlier where the
// next step's batches would exceed the amount; seconds, energy and money end by the clock
// (pacing.h), whatever plan.steps says, which then only spaces the evaluations and the warm-up.
//
// Where a row is used again (further epochs, evaluations, later runs by options.keep_cache), the
// frozen part's output is kept in a PrefixCache in the folder, if its disk has the room; by
// keep_cache as train.prefix-cache and dev.prefix-cache. The weights below the cut then lie in a
// nameless file there, also after this returns, and leave memory once the cache holds every row.
//
// Throws Error(kUsage) for a resume that does not fit, Error(kIo), Error(kInternal).
types::RunRecord train(const TrainInputs& inputs, core::Progress& progress);

}  // namespace salf::train
