// How far a run goes and how high its learning rate is at each step: by its plan's steps, by the
// clock, or as an earlier run went.
#pragma once

#include <cstdint>
#include <optional>

#include "train/run/pacer.h"
#include "train/run/run_state.h"
#include "train/run/trainer.h"
#include "train/step/schedule.h"

namespace salf::train {

// Steps between `evaluations` that are spread evenly over `steps`, the first before them and the
// last after them. At least 1.
std::int64_t evaluation_interval(std::int64_t evaluations, std::int64_t steps);

class Pacing {
 public:
  // `course`: of the checkpoint that the run goes on from. `inputs` must outlive this.
  Pacing(const TrainInputs& inputs, const RunCourse& course);

  // Seconds of the budget, all processes of the run together.
  double spent() const;
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
  const RunClock* clock_;
  double carried_seconds_;  // what earlier processes had spent
  std::optional<Pacer> pacer_;
  Schedule schedule_;
  std::optional<std::int64_t> cooldown_start_;
  std::int64_t limit_ = kNoEnd;
  std::int64_t interval_;
};

}  // namespace salf::train
