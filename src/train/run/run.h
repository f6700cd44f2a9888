// One run of the trainer, a step at a time. When to evaluate, save, move the cut or stop is up to
// whoever drives it: train() or a bench.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include "core/clock.h"
#include "core/progress.h"
#include "train/evaluate.h"
#include "train/run/batch_queue.h"
#include "train/run/run_observer.h"
#include "train/run/stage.h"
#include "train/run/unread_weights.h"

namespace salf::train {

inline constexpr const char* kGoingBack = "stopped, going back to the best weights";

class Run {
 public:
  // The beginning of the plan, or with `from` what that was taken of: then at cut `place` of
  // plan.cuts(). `inputs` must outlive this. Throws Error(kBadInput) without training rows, and
  // where names or shapes of `from` do not fit.
  explicit Run(const RunInputs& inputs, std::size_t place = 0, const RunSnapshot* from = nullptr);

  const RunState& state() const { return state_; }
  std::int64_t cut() const { return stage_->cut; }
  // Of the cut, at the schedule's height.
  double learning_rate() const { return stage_->learning_rate; }
  // Elements that are trained.
  std::int64_t trained_count() const { return stage_->freeze.trained_count(); }
  // Whether the frozen part's output is kept.
  bool cached() const { return stage_->cache != nullptr; }

  // One optimizer step; budget_spent is the caller's. Nothing, logged, where the loss was not
  // finite: no weight was changed and nothing counted.
  std::optional<StepMetrics> step(double learning_rate);

  // The dev rows at the present weights, `stopped` where keep_going said so.
  MeasuredLosses evaluate(const std::function<bool()>& keep_going, core::Progress& progress);
  // The same as a record's figures.
  types::DevEvaluation dev_evaluation(const Evaluation& result) const;
  // Takes an evaluation of the present weights down; false, logged, if its loss is not finite.
  bool add(const types::DevEvaluation& evaluation);
  // Keeps the present weights if the evaluation that was added last is the best one.
  void keep_if_best(double accuracy);

  // From now on these blocks and the final norm are trained, and nothing else (Freeze::train_only).
  // REQUIRES: the cut is 0
  void train_only(const std::vector<std::int64_t>& blocks);
  // To the next of plan.cuts(): what goes on being trained keeps its weights and moments.
  // REQUIRES: there is one
  void move_cut();

  // All ranks: a copy, of which restore() of a run of the same inputs at the same cut makes the
  // same run: bit for bit what would have come after it.
  RunSnapshot snapshot() const;
  void restore(const RunSnapshot& snapshot);
  // All ranks. The first writes a checkpoint into the folder. Throws Error(kIo).
  void checkpoint(const RunCourse& course) const;

  // The model gets its best weights: those kept last if they are not the present ones, or if the
  // run diverged or a gate failed. The record lacks what a RunCourse has, and what is the caller's
  // (provenance, the budget's other parts).
  types::RunRecord finish(types::RunStatus status);

 private:
  // The memory of a step or an evaluation; on a GPU its allocator knows.
  std::int64_t memory_held(std::int64_t on_cpu) const;
  bool leads() const;
  // All ranks begin with rank 0's weights.
  void share_weights() const;
  // All ranks: their work becomes that of all, the memory the largest.
  void share_work(StepBatches& taken, std::int64_t& anonymous_bytes) const;
  // Whether training and evaluation read the last cut's states from caches alone, once all are
  // there.
  bool prefix_is_kept() const;
  // Once: nothing but saving reads the weights below the cut when the caches hold every row.
  void release_frozen();
  types::CostBreakdown measured() const;
  // All ranks. With tensors that are the run's own.
  RunSnapshot present(bool with_moments) const;
  void load(const RunSnapshot& snapshot);
  // Of all ranks.
  std::optional<types::CacheUse> all_caches() const;
  void fill_speed(types::RunRecord& record) const;

  const RunInputs& inputs_;
  c10::Device device_;
  core::Stopwatch watch_;
  std::optional<UnreadWeights> unread_;  // comes back when the rest has left a GPU's memory
  StageCaches caches_;
  std::unique_ptr<Stage> stage_;
  std::optional<BatchQueue> batches_;
  RunState state_;               // its seconds are those before watch_
  types::CostBreakdown phases_;  // since then
  // The steps with the most tokens: those that can be compared with one another.
  struct FullestSteps {
    std::int64_t tokens = 0, supervised_tokens = 0;
    std::vector<double> seconds;
  } fullest_;
};

// The plan's numbers and the options that change what is computed, beside the caller's identity.
core::Json full_identity(const RunInputs& inputs);

}  // namespace salf::train
