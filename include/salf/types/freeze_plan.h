// What is to be done? plan.json: the cut and why, how many steps at which learning rate, what that
// is predicted to cost, and what every other depth would cost.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "salf/core/fields.h"
#include "salf/types/layer_profile.h"
#include "salf/types/lora_settings.h"
#include "salf/types/measured_cost.h"

namespace salf::types {

// How the eof-layer is chosen (design: "rules").
enum class Rule { kMaxGain, kMinDeviation, kThreshold, kFixed, kFraction, kBudget };
inline std::vector<core::EnumName<Rule>> enum_names(Rule) {
  return {{Rule::kMaxGain, "max-gain"},    {Rule::kMinDeviation, "min-deviation"},
          {Rule::kThreshold, "threshold"}, {Rule::kFixed, "fixed"},
          {Rule::kFraction, "fraction"},   {Rule::kBudget, "budget"}};
}

enum class BudgetUnit { kSeconds, kShare, kFlops, kTokens, kSteps, kEpochs };
inline std::vector<core::EnumName<BudgetUnit>> enum_names(BudgetUnit) {
  return {{BudgetUnit::kSeconds, "seconds"}, {BudgetUnit::kShare, "share"},
          {BudgetUnit::kFlops, "flops"},     {BudgetUnit::kTokens, "tokens"},
          {BudgetUnit::kSteps, "steps"},     {BudgetUnit::kEpochs, "epochs"}};
}

// share: of the FLOPs of full fine-tuning for the plan's largest number of epochs, its evaluations
// included (0.4 for 40%). Written and read by people as in budget.h.
struct Budget {
  double amount = 0.0;
  BudgetUnit unit = BudgetUnit::kSeconds;

  // Only the clock is not deterministic.
  bool deterministic() const { return unit != BudgetUnit::kSeconds; }

  template <class Self, class Visitor>
  static void fields(Self& self, Visitor& visit) {
    using core::Field;
    visit(Field{"amount"}.positive(), self.amount);
    visit(Field{"unit"}, self.unit);
  }
};

// What one rule chose, and how stable that is: the share of bootstrap replicates with the same
// choice, and the range that holds 90 % of them. That is sampling stability, not the probability of
// being the best cut. Without replicates nothing is known: stability 0, range 0 … L-1.
struct RuleChoice {
  Rule rule = Rule::kMaxGain;
  Measure measure = Measure::kCosine;
  std::int64_t eof = 0;
  double stability = 0.0;
  std::int64_t low = 0, high = 0;

  template <class Self, class Visitor>
  static void fields(Self& self, Visitor& visit) {
    using core::Field;
    visit(Field{"rule"}, self.rule);
    visit(Field{"measure"}, self.measure);
    visit(Field{"eof"}.range(0, 1e5), self.eof);
    visit(Field{"stability"}.range(0, 1), self.stability);
    visit(Field{"low"}.range(0, 1e5), self.low);
    visit(Field{"high"}.range(0, 1e5), self.high);
  }
};

// Seconds (or FLOPs) of a run by what they are spent on.
struct CostBreakdown {
  double prefix = 0.0;
  double cache = 0.0;  // reading what was kept of the prefix instead
  double suffix_forward = 0.0;
  double head = 0.0;
  double backward = 0.0;
  double optimizer = 0.0;
  double evaluation = 0.0;
  double fixed =
      0.0;  // analysis, timing, loading, saving; what each step costs besides these parts
  double total() const {
    return prefix + cache + suffix_forward + head + backward + optimizer + evaluation + fixed;
  }

  template <class Self, class Visitor>
  static void fields(Self& self, Visitor& visit) {
    using core::Field;
    visit(Field{"prefix"}.range(0, 1e40), self.prefix);
    visit(Field{"cache"}.range(0, 1e40), self.cache);
    visit(Field{"suffix_forward"}.range(0, 1e40), self.suffix_forward);
    visit(Field{"head"}.range(0, 1e40), self.head);
    visit(Field{"backward"}.range(0, 1e40), self.backward);
    visit(Field{"optimizer"}.range(0, 1e40), self.optimizer);
    visit(Field{"evaluation"}.range(0, 1e40), self.evaluation);
    visit(Field{"fixed"}.range(0, 1e40), self.fixed);
  }
};

// One depth that the planner looked at.
struct Candidate {
  std::int64_t eof = 0;
  std::int64_t trained_parameters = 0;
  std::int64_t steps = 0;  // optimizer steps that the budget pays for
  double step_seconds = 0.0;
  double step_flops = 0.0;
  double seconds = 0.0;  // of the whole run with these steps
  double flops = 0.0;
  bool fits = false;  // at least min_steps

  template <class Self, class Visitor>
  static void fields(Self& self, Visitor& visit) {
    using core::Field;
    visit(Field{"eof"}.range(0, 1e5), self.eof);
    visit(Field{"trained_parameters"}.range(0, 1e13), self.trained_parameters);
    visit(Field{"steps"}.range(0, 1e15), self.steps);
    visit(Field{"step_seconds"}.range(0, 1e40), self.step_seconds);
    visit(Field{"step_flops"}.range(0, 1e40), self.step_flops);
    visit(Field{"seconds"}.range(0, 1e40), self.seconds);
    visit(Field{"flops"}.range(0, 1e40), self.flops);
    visit(Field{"fits"}, self.fits);
  }
};

struct FreezePlan {
  static constexpr const char* kSchema = "salf.plan/1";

  Provenance provenance;
  ModelShape shape;
  DataShape data;
  MeasuredCost cost;

  Rule rule = Rule::kBudget;
  std::int64_t eof = 0;             // the cut: blocks 0 … eof-1 and the embedding are frozen
  std::optional<LoraSettings> lora;  // what is trained above the cut, if not whole blocks
  std::string reason;               // one sentence
  std::vector<RuleChoice> choices;  // every rule's

  Budget budget;
  std::int64_t batch_tokens = 0;  // resolved batch options of the run
  std::int64_t pack = 0;
  std::int64_t accumulate = 1;  // batches of an optimizer step
  std::int64_t steps = 0;       // optimizer steps
  std::int64_t most_steps = 0;       // a run by the clock ends here at the latest; 0: no limit
  double epochs = 0.0;
  std::int64_t tokens = 0;  // real tokens trained on
  double learning_rate = 0.0;
  std::int64_t evaluations = 0;  // dev evaluations, the first and the last included

  CostBreakdown predicted_seconds;
  CostBreakdown predicted_flops;
  double full_step_seconds = 0.0;  // full fine-tuning, for comparison
  double full_step_flops = 0.0;
  // What a budget in FLOPs or a share leaves for training batches, evaluations and earlier work
  // taken off; 0 for others.
  double budget_flops = 0.0;
  std::optional<Budget> smallest_budget;  // set when no candidate fits
  std::vector<Candidate> candidates;      // eof 0 … L-1

  template <class Self, class Visitor>
  static void fields(Self& self, Visitor& visit) {
    using core::Field;
    visit(Field{"provenance"}, self.provenance);
    visit(Field{"shape"}, self.shape);
    visit(Field{"data"}, self.data);
    visit(Field{"cost"}, self.cost);
    visit(Field{"rule"}, self.rule);
    visit(Field{"eof"}.range(0, 1e5), self.eof);
    visit(Field{"lora"}, self.lora);
    visit(Field{"reason"}, self.reason);
    visit(Field{"choices"}, self.choices);
    visit(Field{"budget"}, self.budget);
    visit(Field{"batch_tokens"}.range(1, 1e9), self.batch_tokens);
    visit(Field{"pack"}.range(0, 1e7), self.pack);
    visit(Field{"accumulate"}.range(1, 1e6), self.accumulate);
    visit(Field{"steps"}.range(0, 1e15), self.steps);
    visit(Field{"most_steps"}.range(0, 1e15), self.most_steps);
    visit(Field{"epochs"}.range(0, 1e15), self.epochs);
    visit(Field{"tokens"}.range(0, 1e15), self.tokens);
    visit(Field{"learning_rate"}.range(0, 1), self.learning_rate);
    visit(Field{"evaluations"}.range(0, 1e9), self.evaluations);
    visit(Field{"predicted_seconds"}, self.predicted_seconds);
    visit(Field{"predicted_flops"}, self.predicted_flops);
    visit(Field{"full_step_seconds"}.range(0, 1e40), self.full_step_seconds);
    visit(Field{"full_step_flops"}.range(0, 1e40), self.full_step_flops);
    visit(Field{"budget_flops"}.range(0, 1e40), self.budget_flops);
    visit(Field{"smallest_budget"}, self.smallest_budget);
    visit(Field{"candidates"}, self.candidates);
  }
};

}  // namespace salf::types
