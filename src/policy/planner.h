// The planner behind policy/budget.h: what a method costs at each cut (planner_prices.cpp), the
// choice among cuts and methods (planner_choice.cpp), what stages do to it (planner_stages.cpp),
// and the sentence that says why (planner_text.cpp).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "cost/memory.h"
#include "policy/budget.h"
#include "policy/prediction.h"

namespace salf::policy {

inline constexpr std::int64_t kFewestEvaluations = 2;  // before the first step and after the last
// Predicted losses this close (as a share of the loss before) count as the same.
inline constexpr double kSameLoss = 0.001;
// And so much more time as well.
inline constexpr double kSameTime = 1.05;

// Whole steps in a quotient that rounding may have left just below a whole number.
std::int64_t whole_steps(double steps);
// Steps of the largest number of epochs that is planned. A step takes `accumulate` batches and goes
// on into the next epoch.
std::int64_t most_steps(const PlanInputs& inputs);

// Of a run's dev evaluations.
struct EvaluationPrice {
  double whole = 0.0;   // of all blocks
  double cached = 0.0;  // without those whose output is kept
  FirstEvaluation first = FirstEvaluation::kInTheRun;

  double of(std::int64_t count) const {
    if (count < 2) return count == 1 && first != FirstEvaluation::kDone ? whole : 0.0;
    if (first == FirstEvaluation::kInTheRun) return whole + static_cast<double>(count - 1) * cached;
    return (first == FirstEvaluation::kDone ? 1.0 : 2.0) * whole +
           static_cast<double>(count - 2) * cached;
  }
};

// A depth's price in the budget's own unit: seconds or FLOPs.
struct Price {
  double fixed = 0.0;
  EvaluationPrice evaluations;
  double step = 0.0;        // of the first epoch
  double later_step = 0.0;  // of further epochs
};

// What one method, whole blocks or LoRA, costs at each cut, and how far the budget goes there.
class Prices {
 public:
  // LoRA where the shape has block_trained_parameters. REQUIRES: `inputs` outlives it
  Prices(types::ModelShape shape, const types::MeasuredCost& cost, const PlanInputs& inputs);

  const types::ModelShape& shape() const { return shape_; }
  const types::MeasuredCost& cost() const { return cost_; }
  types::Arm arm(std::int64_t cut) const;
  // Whether the budget is a number of steps, whatever they cost; else whether it is in seconds,
  // else FLOPs.
  bool counts() const { return counts_; }
  bool in_seconds() const { return in_seconds_; }
  double clock_seconds() const { return clock_seconds_; }  // of a budget by the clock
  double capacity() const { return capacity_; }
  double steps_per_epoch() const { return steps_per_epoch_; }
  std::int64_t most_steps() const { return most_steps_; }
  std::int64_t required_steps() const { return counts_ ? 1 : required_; }

  types::Candidate candidate(std::int64_t cut) const;
  // What so many steps of it take.
  void fill(types::Candidate& candidate, std::int64_t steps) const;
  std::int64_t affordable_steps(std::int64_t cut, std::int64_t evaluations) const;
  bool affordable(std::int64_t cut) const {
    return affordable_steps(cut, kFewestEvaluations) >= required_steps();
  }
  // More evaluations than the two, where they are cheap and the steps stay enough.
  std::int64_t evaluations(std::int64_t cut) const;

  Price price(std::int64_t cut) const;
  types::CostBreakdown step_seconds(std::int64_t cut) const;
  types::CostBreakdown step_flops(std::int64_t cut) const;
  EvaluationPrice evaluation_seconds(std::int64_t cut) const;
  EvaluationPrice evaluation_flops(std::int64_t cut) const;
  // `one` for each step after `before` others; its prefix for the steps of the first epoch only,
  // where its output is kept.
  types::CostBreakdown over_steps(const types::CostBreakdown& one, std::int64_t cut,
      std::int64_t steps, std::int64_t before = 0) const;
  types::CostBreakdown run_seconds(
      std::int64_t cut, std::int64_t steps, std::int64_t evaluations) const;
  types::CostBreakdown run_flops(
      std::int64_t cut, std::int64_t steps, std::int64_t evaluations) const;
  double memory_bytes(std::int64_t cut, std::int64_t steps) const;  // 0: unknown

  // Rounded up so that the text of the amount, which is what a person types, still works.
  types::Budget smallest(std::int64_t cut) const;

 private:
  std::int64_t counted_steps() const;
  // Of which the output is kept.
  std::int64_t cached_blocks(std::int64_t cut) const { return inputs_.cache ? cut : 0; }
  double tokens_per_step() const;
  // The rule's learning rate for so many steps, or what trials put in its place.
  double rule_rate(types::Arm arm, std::int64_t cut, std::int64_t steps) const;

  types::ModelShape shape_;
  types::MeasuredCost cost_;
  const PlanInputs& inputs_;
  bool counts_ = false;
  bool in_seconds_ = false;
  double clock_seconds_ = 0.0;
  double steps_per_epoch_ = 1.0;
  std::int64_t most_steps_ = 1;
  std::int64_t required_ = 1;
  double capacity_ = 0.0;
};

// Candidates are counted from 0: those of the first method by their cuts, then those of the second.
class Planner {
 public:
  // REQUIRES: both outlive it
  Planner(const types::LayerProfile& profile, const PlanInputs& inputs);
  types::FreezePlan plan() const;

 private:
  using Candidates = std::vector<types::Candidate>;

  Candidates candidates() const;
  const Prices& prices(const types::Candidate& candidate) const;
  // Of the whole budget at no cut: what others are compared with.
  ArmPoint full() const;
  bool too_large(const types::Candidate& candidate) const;
  bool affordable(const types::Candidate& candidate) const {
    return prices(candidate).affordable(candidate.cut);
  }
  ArmPoint point(const types::Candidate& candidate, std::int64_t steps) const;

  // Nats where the loss before is known, else shares of it.
  types::Range loss_range(const ArmPoint& at) const;
  void predict(Candidates& all) const;

  // As few steps as bring it within max_loss_increase of full fine-tuning; it does not fit where
  // none do.
  void shorten(types::Candidate& candidate) const;

  // The rule's choice among these. Where nothing fits, that whose smallest budget is told.
  std::size_t choose(const Candidates& all, std::int64_t start) const;
  std::vector<double> losses(const Candidates& all) const;

  // `ratios`: predicted loss as a share of that before, one a candidate.
  std::optional<std::size_t> best_predicted(
      const Candidates& all, const std::vector<double>& ratios) const;

  // Refuses where a limit other than the budget is in the way.
  std::size_t cheapest_to_start(const Candidates& all) const;
  [[noreturn]] void refuse_limits(const Candidates& all, std::optional<std::size_t> chosen) const;
  static std::int64_t shallowest_that_fits(const Candidates& all, std::int64_t start);

  // The same rule with `factor` times the budget.
  types::Alternative alternative(double factor) const;

  void settle(types::FreezePlan& plan, const types::Candidate& chosen) const;
  void set_steps(types::FreezePlan& plan, std::int64_t steps) const;
  void price_plan(types::FreezePlan& plan, const types::Candidate& chosen) const;
  // Of a plan in stages: their cuts, and what they do to steps and prices (planner_stages.cpp).
  void settle_stages(types::FreezePlan& plan) const;
  std::vector<std::int64_t> stage_steps(const types::FreezePlan& plan) const;

  // Every rule's choice, and of the rule in use what it would be in each replicate.
  std::vector<types::RuleChoice> choices(
      const types::FreezePlan& plan, const std::vector<std::size_t>& by_prior) const;
  types::RuleChoice of_plan(
      const types::FreezePlan& plan, const std::vector<std::int64_t>& replicates) const;

  // What each resampled fit of the prior would choose; empty of other rules.
  std::vector<std::size_t> prior_choices(const Candidates& all) const;
  std::string reason(
      const types::FreezePlan& plan, const types::Candidate& chosen, std::int64_t start) const;
  std::string frozen_text(const types::Candidate& chosen) const;
  std::string predicted_reason(const types::FreezePlan& plan, const types::Candidate& chosen) const;
  std::string method_note(const Candidates& all, const types::Candidate& chosen,
      const std::vector<std::size_t>& by_prior) const;
  std::string trials_note(const types::Candidate& chosen) const;

  static std::string why(types::Rule rule);
  std::string after_cap(const types::FreezePlan& plan) const;

  const types::LayerProfile& profile_;
  const PlanInputs& inputs_;
  const types::Deviation& deviation_;
  std::vector<Prices>
      methods_;  // what the profile's shape says; then LoRA beside it, if that is asked for
  std::optional<Predictor> predictor_;
  std::optional<types::LossBefore> before_;
};

}  // namespace salf::policy
