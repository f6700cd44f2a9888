// Is there time for another step? For a budget in seconds: when the cooldown has to start, and when
// to stop so that the run ends, saved, inside the budget even if the machine slows down.
#pragma once

#include <cstdint>
#include <vector>

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
  explicit Pacer(PacerOptions options);

  void step_took(double seconds);
  void evaluation_took(double seconds);

  // From now on a step takes so long: those that were measured say nothing any more.
  void expect_step(double seconds);

  // Median of the last steps, the prediction before any was measured.
  double step_seconds() const;
  double evaluation_seconds() const;

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
  bool evaluation_fits(double spent) const;

 private:
  double slow_step_seconds() const;

  PacerOptions options_;
  std::vector<double> steps_;  // the last ones, in a ring
  std::size_t next_ = 0;
  double evaluation_ = 0.0;
  double last_ = 0.0;  // step
};

}  // namespace salf::train
