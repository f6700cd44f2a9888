// What is to be done? plan.json: the cut and why, how many steps at which learning rate, what that
// is predicted to cost, and what every other depth would cost.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "core/fields.h"
#include "types/footprint.h"
#include "types/layer_profile.h"
#include "types/lora_settings.h"
#include "types/measured_cost.h"
#include "types/rule_choice.h"

namespace salf::types {

// What is done to the blocks above the cut: full (cut 0: everything is trained), freeze (they are
// trained, what is below is not), lora (adapters above the cut).
enum class Arm { kFull, kFreeze, kLora };
inline std::vector<core::EnumName<Arm>> enum_names(Arm) {
  return {{Arm::kFull, "full"}, {Arm::kFreeze, "freeze"}, {Arm::kLora, "lora"}};
}

enum class BudgetUnit { kSeconds, kShare, kFlops, kTokens, kSteps, kEpochs, kJoules, kMoney };
inline std::vector<core::EnumName<BudgetUnit>> enum_names(BudgetUnit) {
  return {{BudgetUnit::kSeconds, "seconds"}, {BudgetUnit::kShare, "share"},
      {BudgetUnit::kFlops, "flops"}, {BudgetUnit::kTokens, "tokens"}, {BudgetUnit::kSteps, "steps"},
      {BudgetUnit::kEpochs, "epochs"}, {BudgetUnit::kJoules, "joules"},
      {BudgetUnit::kMoney, "money"}};
}

// share: of the FLOPs of full fine-tuning for the plan's largest number of epochs, its evaluations
// included (0.4 for 40%). Written and read by people as in budget.h.
struct Budget {
  double amount = 0.0;
  BudgetUnit unit = BudgetUnit::kSeconds;
  std::optional<std::string> currency{};  // of money: ISO 4217

  // Budgets in time, energy and money end by the clock (or a meter); the others are deterministic.
  bool deterministic() const {
    return unit != BudgetUnit::kSeconds && unit != BudgetUnit::kJoules &&
           unit != BudgetUnit::kMoney;
  }

  template <class Self, class Visitor>
  static void fields(Self& self, Visitor& visit) {
    using core::Field;
    visit(Field{"amount"}.positive(), self.amount);
    visit(Field{"unit"}, self.unit);
    visit(Field{"currency"}, self.currency);
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

// A prediction and what holds it with 90 %.
struct Range {
  double value = 0.0;
  double low = 0.0, high = 0.0;

  template <class Self, class Visitor>
  static void fields(Self& self, Visitor& visit) {
    using core::Field;
    visit(Field{"value"}.range(-1e6, 1e6), self.value);
    visit(Field{"low"}.range(-1e6, 1e6), self.low);
    visit(Field{"high"}.range(-1e6, 1e6), self.high);
  }
};

// One way to spend the budget that the planner looked at. Files from before `arm` was there name
// none.
struct Candidate {
  std::optional<Arm> arm;
  std::int64_t cut = 0;
  std::int64_t trained_parameters = 0;
  std::int64_t steps = 0;  // optimizer steps that the budget pays for
  double step_seconds = 0.0;
  double step_flops = 0.0;
  double seconds = 0.0;  // of the whole run with these steps
  double flops = 0.0;
  bool fits = false;  // at least min_steps, and no more memory than allowed
  double learning_rate = 0.0;
  double tokens = 0.0;                 // real tokens of these steps
  std::optional<double> memory_bytes;  // anonymous memory at its height
  std::optional<double> energy_joules, gco2, money;
  // Loss in nats a token after these steps; of a plan whose loss_before is not known, as a share of
  // it.
  std::optional<Range> loss;
  std::optional<Range> delta;  // that loss less full fine-tuning's with the same budget
  bool pareto = false;  // no other candidate that fits is both cheaper (seconds) and better (loss)

  template <class Self, class Visitor>
  static void fields(Self& self, Visitor& visit) {
    using core::Field;
    visit(Field{"arm"}, self.arm);
    visit(Field{"eof"}.range(0, 1e5), self.cut);
    visit(Field{"trained_parameters"}.range(0, 1e13), self.trained_parameters);
    visit(Field{"steps"}.range(0, 1e15), self.steps);
    visit(Field{"step_seconds"}.range(0, 1e40), self.step_seconds);
    visit(Field{"step_flops"}.range(0, 1e40), self.step_flops);
    visit(Field{"seconds"}.range(0, 1e40), self.seconds);
    visit(Field{"flops"}.range(0, 1e40), self.flops);
    visit(Field{"fits"}, self.fits);
    visit(Field{"learning_rate"}.range(0, 1), self.learning_rate);
    visit(Field{"tokens"}.range(0, 1e18), self.tokens);
    visit(Field{"memory_bytes"}.range(0, 1e18), self.memory_bytes);
    visit(Field{"energy_joules"}.range(0, 1e18), self.energy_joules);
    visit(Field{"gco2"}.range(0, 1e18), self.gco2);
    visit(Field{"money"}.range(0, 1e18), self.money);
    visit(Field{"loss"}, self.loss);
    visit(Field{"delta"}, self.delta);
    visit(Field{"pareto"}, self.pareto);
  }
};

// What another budget would buy: the choice by predicted loss there.
struct Alternative {
  double factor = 1.0;  // times this plan's budget
  Budget budget;
  bool fits = false;  // false: nothing fits, and the rest is not set
  std::optional<Arm> arm;
  std::int64_t cut = 0;
  std::int64_t steps = 0;
  double seconds = 0.0;
  std::optional<Range> loss;

  template <class Self, class Visitor>
  static void fields(Self& self, Visitor& visit) {
    using core::Field;
    visit(Field{"factor"}.positive(), self.factor);
    visit(Field{"budget"}, self.budget);
    visit(Field{"fits"}, self.fits);
    visit(Field{"arm"}, self.arm);
    visit(Field{"eof"}.range(0, 1e5), self.cut);
    visit(Field{"steps"}.range(0, 1e15), self.steps);
    visit(Field{"seconds"}.range(0, 1e40), self.seconds);
    visit(Field{"loss"}, self.loss);
  }
};

struct FreezePlan {
  static constexpr const char* kSchema = "salf.plan/1";

  Provenance provenance;
  ModelShape shape;
  DataShape data;
  MeasuredCost cost;

  Rule rule = Rule::kBudget;
  std::int64_t cut = 0;  // the cut: blocks 0 … cut-1 and the embedding are frozen
  std::vector<std::int64_t>
      stages;  // cuts of a run in stages, from deep to shallow, the last is cut; empty: one stage
  std::optional<LoraSettings> lora;  // that is trained above the cut, if not whole blocks
  std::string reason;                // one sentence
  std::vector<RuleChoice> choices;   // every rule's

  Budget budget;
  std::int64_t batch_tokens = 0;  // resolved batch options of the run
  std::int64_t pack = 0;
  std::int64_t accumulate = 1;  // batches of an optimizer step
  std::int64_t steps = 0;       // optimizer steps
  std::int64_t most_steps = 0;  // a run by the clock ends here at the latest; 0: no limit
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
  // cut 0 … L-1 of one method, whole blocks (full and freeze) or LoRA; where both were looked at,
  // then LoRA's.
  std::vector<Candidate> candidates;

  // Older files have none of the following.
  double budget_seconds = 0.0;         // how long a budget in energy or money lasts; 0 of others
  std::optional<Rates> rates;          // what a second takes
  std::optional<Footprint> footprint;  // predicted
  std::optional<Footprint> full_footprint;  // of full fine-tuning for as many tokens
  std::optional<double> memory_bytes;       // predicted, of the chosen candidate
  std::optional<double> max_memory_bytes;   // the limits that were asked for
  std::optional<double> max_loss_increase;
  std::optional<double> loss_before;  // of the untouched model: of dev documents, or as the profile
                                      // estimates it; nats a token
  std::optional<double>
      gradient_agreement;  // train::Timing; predicted losses rest on it where the prior can use it
  std::string
      prediction_basis;  // what the predicted losses rest on, one sentence; "": there are none
  std::optional<std::int64_t>
      knee;  // cut of the candidate where the Pareto curve bends most, and its arm
  std::optional<Arm> knee_arm;
  std::vector<Alternative> alternatives;  // what other budgets buy, this one among them (factor 1)
  std::vector<std::string>
      notes;  // what else a reader has to know: where measures or rules disagree

  // The candidate that the plan carries out, and all of its method, by their cuts. Nothing of a
  // plan without candidates.
  const Candidate* chosen() const;
  std::vector<Candidate> of_its_method() const;
  // From deep to shallow; one of a plan without stages.
  std::vector<std::int64_t> cuts() const {
    return stages.empty() ? std::vector<std::int64_t>{cut} : stages;
  }
  // Seconds that the clock (or a meter's joules, as seconds) may run; 0 of a deterministic budget.
  double clock_seconds() const {
    return budget.unit == BudgetUnit::kSeconds ? budget.amount : budget_seconds;
  }

  template <class Self, class Visitor>
  static void fields(Self& self, Visitor& visit) {
    using core::Field;
    visit(Field{"provenance"}, self.provenance);
    visit(Field{"shape"}, self.shape);
    visit(Field{"data"}, self.data);
    visit(Field{"cost"}, self.cost);
    visit(Field{"rule"}, self.rule);
    visit(Field{"eof"}.range(0, 1e5), self.cut);
    visit(Field{"stages"}.range(0, 1e5), self.stages);
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
    visit(Field{"budget_seconds"}.range(0, 1e15), self.budget_seconds);
    visit(Field{"rates"}, self.rates);
    visit(Field{"footprint"}, self.footprint);
    visit(Field{"full_footprint"}, self.full_footprint);
    visit(Field{"memory_bytes"}.range(0, 1e18), self.memory_bytes);
    visit(Field{"max_memory_bytes"}.range(0, 1e18), self.max_memory_bytes);
    visit(Field{"max_loss_increase"}.range(0, 1e6), self.max_loss_increase);
    visit(Field{"loss_before"}.range(0, 1e6), self.loss_before);
    visit(Field{"gradient_agreement"}.range(0, 1e30), self.gradient_agreement);
    visit(Field{"prediction_basis"}, self.prediction_basis);
    visit(Field{"knee"}.range(0, 1e5), self.knee);
    visit(Field{"knee_arm"}, self.knee_arm);
    visit(Field{"alternatives"}, self.alternatives);
    visit(Field{"notes"}, self.notes);
  }
};

}  // namespace salf::types
