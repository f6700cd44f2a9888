// plan.json: the cut with its reasons, the steps and their learning rate, and the predicted cost.
// Every other depth stands beside it with its own cost.
#pragma once

#include "types/aim.h"
#include "types/budget.h"
#include "types/candidates.h"
#include "types/footprint.h"
#include "types/layer_profile.h"
#include "types/lora_settings.h"
#include "types/measured_cost.h"
#include "types/reason.h"
#include "types/scale.h"

namespace salf::types {

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

  template <class Self, class Visitor> static void fields(Self& self, Visitor& visit) {
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

  template <class Self, class Visitor> static void fields(Self& self, Visitor& visit) {
    visit(Field{"factor"}.positive(), self.factor);
    visit("budget", self.budget);
    visit("fits", self.fits);
    visit("arm", self.arm);
    visit(Field{"eof"}.range(0, 1e5), self.cut);
    visit(Field{"steps"}.range(0, 1e15), self.steps);
    visit(Field{"seconds"}.range(0, 1e40), self.seconds);
    visit("loss", self.loss);
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
  std::vector<Reason> reasons;       // for the choice; older files have none
  std::string reason;                // the same in one sentence
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
  Candidates candidates;

  // Older files have none of the following.
  std::optional<Rates> rates;               // what a second takes
  std::optional<Footprint> footprint;       // predicted
  std::optional<Footprint> full_footprint;  // of full fine-tuning for as many tokens
  std::optional<double> memory_bytes;       // predicted, of the chosen candidate
  std::optional<double> max_memory_bytes;   // the limits that were asked for
  Aim aim = Aim::kBest;                     // what the plan optimises
  std::optional<double> max_loss_increase;  // of other aims; as Candidate::loss is
  // The better of full fine-tuning and LoRA on all blocks with the whole budget, as candidates say.
  std::optional<double> reference_loss;
  std::vector<AimChoice> aims;        // each, this plan's among them
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
  // Of the rows, each with its own batches: accumulate is a multiple of it. Nothing of a plan for
  // one rank.
  std::optional<std::int64_t> shards;
  std::optional<Scale> scale;  // what several machines like this one would do, if that was asked
  std::string batch_reason;    // why salf chose batch_tokens, one sentence; "": it did not
  std::vector<std::string>
      notes;  // what else a reader has to know: where measures or rules disagree

  Method method() const { return shape.method(); }
  // The candidate that the plan carries out; nullptr of a plan without candidates.
  const Candidate* chosen() const { return candidates.at(method(), cut); }
  // From deep to shallow; one of a plan without stages.
  std::vector<std::int64_t> cuts() const {
    return stages.empty() ? std::vector<std::int64_t>{cut} : stages;
  }
  template <class Self, class Visitor> static void fields(Self& self, Visitor& visit) {
    visit("provenance", self.provenance);
    visit("shape", self.shape);
    visit("data", self.data);
    visit("cost", self.cost);
    visit("rule", self.rule);
    visit(Field{"eof"}.range(0, 1e5), self.cut);
    visit(Field{"stages"}.range(0, 1e5), self.stages);
    visit("lora", self.lora);
    visit("reasons", self.reasons);
    visit("reason", self.reason);
    visit("choices", self.choices);
    visit("budget", self.budget);
    visit(Field{"batch_tokens"}.range(1, 1e9), self.batch_tokens);
    visit(Field{"pack"}.range(0, 1e7), self.pack);
    visit(Field{"accumulate"}.range(1, 1e6), self.accumulate);
    visit(Field{"steps"}.range(0, 1e15), self.steps);
    visit(Field{"most_steps"}.range(0, 1e15), self.most_steps);
    visit(Field{"epochs"}.range(0, 1e15), self.epochs);
    visit(Field{"tokens"}.range(0, 1e15), self.tokens);
    visit(Field{"learning_rate"}.range(0, 1), self.learning_rate);
    visit(Field{"evaluations"}.range(0, 1e9), self.evaluations);
    visit("predicted_seconds", self.predicted_seconds);
    visit("predicted_flops", self.predicted_flops);
    visit(Field{"full_step_seconds"}.range(0, 1e40), self.full_step_seconds);
    visit(Field{"full_step_flops"}.range(0, 1e40), self.full_step_flops);
    visit(Field{"budget_flops"}.range(0, 1e40), self.budget_flops);
    visit("smallest_budget", self.smallest_budget);
    visit("candidates", self.candidates);
    visit(Field{"budget_seconds"}.range(0, 1e15), self.budget.seconds);
    visit("rates", self.rates);
    visit("footprint", self.footprint);
    visit("full_footprint", self.full_footprint);
    visit(Field{"memory_bytes"}.range(0, 1e18), self.memory_bytes);
    visit(Field{"max_memory_bytes"}.range(0, 1e18), self.max_memory_bytes);
    visit("aim", self.aim);
    visit(Field{"max_loss_increase"}.range(0, 1e6), self.max_loss_increase);
    visit(Field{"reference_loss"}.range(0, 1e6), self.reference_loss);
    visit("aims", self.aims);
    visit(Field{"loss_before"}.range(0, 1e6), self.loss_before);
    visit(Field{"gradient_agreement"}.range(0, 1e30), self.gradient_agreement);
    visit("prediction_basis", self.prediction_basis);
    visit(Field{"knee"}.range(0, 1e5), self.knee);
    visit("knee_arm", self.knee_arm);
    visit("alternatives", self.alternatives);
    visit(Field{"shards"}.range(1, 65536), self.shards);
    visit("scale", self.scale);
    visit("batch_reason", self.batch_reason);
    visit("notes", self.notes);
  }
};

}  // namespace salf::types
