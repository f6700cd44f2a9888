// The planner behind policy/plan.h: candidates and their predicted losses
// (planner_candidates.cpp), the choice among them (planner_choice.cpp), the reasons
// (planner_reasons.cpp), the rest (plan.cpp).
#pragma once

#include "policy/plan.h"
#include "policy/prediction.h"
#include "policy/prices.h"

namespace salf::policy {

// And so much more time, or memory, counts as the same.
inline constexpr double kSameTime = 1.05, kSameMemory = 1.01;

// What a run does at the chosen cut, and takes.
struct Course {
  std::vector<std::int64_t> stages;  // as in types::FreezePlan
  std::int64_t steps = 0, evaluations = 0;
  types::CostBreakdown seconds, flops;
};

class Planner {
 public:
  // REQUIRES: all three outlive it
  Planner(const Evidence& evidence, const types::Budget& budget, const Limits& limits);
  Planner(const Planner&) = delete;
  Planner& operator=(const Planner&) = delete;

  types::FreezePlan plan() const;

 private:
  using Candidate = types::Candidate;
  using Candidates = types::Candidates;

  // A candidate that fits, and its predicted loss as a share of the loss before.
  struct Option {
    const Candidate* candidate;
    double ratio;
  };

  std::int64_t start() const;
  Candidates candidates() const;
  Candidate candidate(const Prices& method, std::int64_t cut) const;
  void predict(Candidate& candidate) const;
  // What makes a ratio nats; 1 where the loss before is not known.
  double loss_scale() const { return before_ ? before_->loss : 1.0; }
  // The least of no cut, by each method, with the whole budget; as Option::ratio.
  double reference() const;
  // As few steps as come within max_loss_increase of the reference; nothing where none do.
  std::optional<std::int64_t> fewest_steps(
      types::Arm arm, std::int64_t cut, std::int64_t most) const;
  double rate(const Prices& method, std::int64_t cut, std::int64_t steps) const;
  const Prices& prices(const Candidate& candidate) const;
  // Bytes; infinite without one.
  double memory_limit() const;
  bool too_large(const Candidate& candidate) const;
  ArmPoint point(types::Arm arm, std::int64_t cut, std::int64_t steps) const;
  // Nats where the loss before is known, else shares of it.
  types::Range loss_range(const ArmPoint& at) const;

  // The rule's choice. Where nothing fits, that whose smallest budget is told.
  const Candidate& choose(const Candidates& all) const;
  std::vector<Option> options(const Candidates& all) const;
  const Candidate* best_predicted(const std::vector<Option>& options) const;
  const Candidate* smallest(const std::vector<Option>& options) const;
  const Candidate* shallowest_untold(
      const std::vector<Option>& options, double best, const Candidate& chosen) const;
  // Refuses where a limit other than the budget is in the way.
  const Candidate& cheapest_to_start(const Candidates& all) const;
  [[noreturn]] void refuse_limits(const Candidates& all, const Candidate* chosen) const;
  const Candidate& shallowest_that_fits(const Candidates& all, std::int64_t start) const;
  // What each resampled fit of the prior would choose; empty of other rules.
  std::vector<const Candidate*> prior_choices(const Candidates& all) const;
  // Every rule's choice, and of the rule in use what it would be in each replicate.
  std::vector<types::RuleChoice> choices(const Candidates& all, const Candidate& chosen,
      const std::vector<const Candidate*>& by_prior) const;
  bool saves() const { return limits_.aim != types::Aim::kBest; }
  types::AimChoice choice(types::Aim aim) const;
  // The same rule with `factor` times the budget.
  types::Alternative alternative(double factor) const;

  Course course(const Candidate& chosen) const;
  // `course` in these stages, from deep to shallow.
  Course in_stages(Course course, std::vector<std::int64_t> cuts) const;
  std::vector<std::int64_t> stage_steps(
      const std::vector<std::int64_t>& cuts, const Course& course) const;

  types::FreezePlan asked() const;
  void carry_out(types::FreezePlan& plan, const Candidate& chosen) const;
  void say_what_is_predicted(types::FreezePlan& plan) const;

  void explain(types::FreezePlan& plan, const Candidate& chosen) const;
  std::vector<types::Reason> reasons(const types::FreezePlan& plan, const Candidate& chosen) const;
  std::vector<types::Reason> predicted_reasons(const Candidate& chosen) const;
  std::vector<std::string> notes(const types::FreezePlan& plan, const Candidate& chosen,
      const std::vector<const Candidate*>& by_prior) const;

  const Evidence& evidence_;
  const types::Budget& budget_;
  const Limits& limits_;
  const types::Deviation* deviation_;  // null where the layers were not measured
  const std::int64_t start_;           // the rule's cut, whatever it costs; 0 of Rule::kPredicted
  Terms terms_;
  std::vector<Prices> methods_;  // what the profile's shape says; then LoRA beside it
  ArmPoint full_;                // of the whole budget at no cut: what others are compared with
  std::optional<Predictor> predictor_;
  std::optional<types::LossBefore> before_;
  std::optional<double> limit_;  // of Option::ratio, for aims that save
};

}  // namespace salf::policy
