// How far a run goes and how high its learning rate is at each step: by its plan's steps, by the
// clock, or as an earlier run went. For a budget in seconds: when the cooldown has to start, and
// when to stop so that the run ends, saved, inside the budget even if the machine slows down.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "train/run/agreement.h"
#include "train/run/trainer.h"
#include "train/step/schedule.h"

namespace salf::train {

// What the clock has shown so far, and what has to happen after the last step.
struct PacerOptions {
  double budget_seconds = 0.0;
  double closing_seconds = 0.0;     // what follows the run: saving and the caller's own work
  double step_seconds = 0.0;        // prediction, used until a step was measured; 0: unknown
  double evaluation_seconds = 0.0;  // prediction, used until an evaluation was measured; 0: unknown
  double margin = 0.02;             // share of the budget that stays unused
};

class Pacer {
 public:
  explicit Pacer(PacerOptions options)
      : options_(options), evaluation_(options.evaluation_seconds) {}

  void step_took(double seconds);
  void evaluation_took(double seconds);

  // From now on a step takes so long: those that were measured say nothing any more.
  void expect_step(double seconds);

  // Median of the last steps, the prediction before any was measured.
  double step_seconds() const;
  double evaluation_seconds() const { return evaluation_; }

  // The last moment at which training and evaluating may still go on, in seconds spent: what
  // follows takes as many times longer than predicted as the last step did.
  double deadline() const;
  // True if the cooldown must start now, with `step` steps done and `spent` seconds spent: after
  // one more step at full rate, the cooldown, its evaluations (one every `interval` steps) and the
  // last evaluation would no longer fit.
  bool must_cool_down(std::int64_t step, double spent, std::int64_t interval) const;
  // True if a step that takes as long as the slowest of the last ones, and the last evaluation,
  // still fit.
  bool step_fits(double spent) const;
  // True if an evaluation alone still fits.
  bool evaluation_fits(double spent) const { return spent + evaluation_ <= deadline(); }

 private:
  double slow_step_seconds() const;

  PacerOptions options_;
  std::vector<double> steps_;  // the last ones, in a ring
  std::size_t next_ = 0;
  double evaluation_ = 0.0;
  double last_ = 0.0;  // step
};

// Steps between `evaluations` that are spread evenly over `steps`, the first before them and the
// last after them. At least 1.
std::int64_t evaluation_interval(std::int64_t evaluations, std::int64_t steps);

class Pacing {
 public:
  // `course`: of the checkpoint that the run goes on from. `inputs` must outlive this.
  Pacing(const TrainInputs& inputs, const RunCourse& course);

  // Seconds of the budget, all processes of the run together; what ranks agreed on is as of the
  // last meeting.
  double spent() const { return agreement_.spent(); }
  Agreement& agreement() { return agreement_; }
  // Share 0 … 1 of the budget that is spent: seconds, tokens or FLOPs of its amount, else steps.
  double budget_share(const RunState& state) const;
  const Schedule& schedule() const { return schedule_; }
  // Steps at which the run ends, kNoEnd while the clock has not settled it.
  std::int64_t limit() const { return limit_; }
  std::optional<std::int64_t> cooldown_start() const { return cooldown_start_; }
  // Whether the dev split is evaluated after so many steps for the sake of an even spread.
  bool on_interval(std::int64_t step) const { return step % interval_ == 0; }

  // Settles the cooldown where the clock says so, and tells whether no further step is to be done.
  bool at_end(std::int64_t step);
  // Whether an evaluation, or work of so many seconds and a step, fits into what is left.
  bool evaluation_fits() const { return !pacer_ || pacer_->evaluation_fits(spent()); }
  bool fits(double seconds) const { return !pacer_ || pacer_->step_fits(spent() + seconds); }

  // Null of a run that no clock ends.
  Pacer* pacer() { return pacer_ ? &*pacer_ : nullptr; }
  const Pacer* pacer() const { return pacer_ ? &*pacer_ : nullptr; }

 private:
  void settle_cooldown(std::int64_t start);

  const types::FreezePlan& plan_;
  Agreement agreement_;  // its clock goes on from what earlier processes had spent
  std::optional<Pacer> pacer_;
  Schedule schedule_;
  std::optional<std::int64_t> cooldown_start_;
  std::int64_t limit_ = kNoEnd;
  std::int64_t interval_;
};

}  // namespace salf::train
