// What decides how a run goes on and looks different on each rank: the clock and the stop signal.
#pragma once

namespace salf::distributed {
class Group;
}

namespace salf::train {

class RunClock;

// Between two meetings all ranks see the same here, so that they decide alike.
class Agreement {
 public:
  // `ranks`: null of one process, which sees the clock as it is. `clock`: null:
  // core::process_seconds. `carried`: seconds that are added to it.
  Agreement(distributed::Group* ranks, RunClock* clock, double carried)
      : ranks_(ranks), clock_(clock), carried_(carried) {}

  // All ranks. A stop signal of one is one of all.
  void meet();
  // Of the slowest rank at the last meeting.
  double spent() const { return ranks_ == nullptr ? own_spent() : spent_; }
  int stop_signal() const;
  // Of this rank, now.
  double own_spent() const;
  // All ranks: the largest of their values.
  double greatest(double value) const;

 private:
  distributed::Group* ranks_;
  RunClock* clock_;
  double carried_;
  double spent_ = 0.0;
  int stop_signal_ = 0;
};

}  // namespace salf::train
