// What a plan is asked for: the options that plan and train share.
#pragma once

#include <cstdint>

#include "core/fields.h"
#include "cost/rates.h"
#include "policy/plan.h"
#include "types/budget.h"

namespace salf::app {

struct PlanningOptions {
  std::string budget;  // "": 3 epochs
  types::Rule rule = types::Rule::kPredicted;
  types::Measure measure = types::Measure::kCosine;
  std::optional<std::int64_t> cut;  // the same as --rule fixed with this number
  double tau = policy::RuleParameters{}.tau;
  double fraction = policy::RuleParameters{}.fraction;
  std::int64_t min_steps = policy::Limits{}.min_steps;
  double max_epochs = policy::Limits{}.max_epochs;
  std::int64_t accumulate = 1;
  std::optional<double> learning_rate;
  std::string max_memory;         // "": on the CPU what this process may use
  std::optional<types::Aim> aim;  // best, or cheapest with max_loss_increase
  std::string max_loss_increase;  // "": types::LossIncrease's
  std::int64_t stages = policy::Limits{}.stages;
  std::string prior;   // "": the built-in one
  std::string trials;  // "": none
  bool no_trials = false;
  cost::RateOptions rates;

  template <class Self, class Visitor> static void fields(Self& self, Visitor& visit) {
    core::begin_group(visit, "Budget and cut");
    visit(Field{"budget",
              "3m, 2h, 40%, 1e15FLOP, 0.3kWh, 5USD, 50000tokens, 200steps, 3epochs; default: "
              "--max-epochs"}
              .common(),
        self.budget);
    visit(
        Field{"rule",
            "what chooses the cut: predicted (the lowest predicted loss), budget (from max-gain's "
            "layer as far as the budget pays), or a rule that looks at the profile alone"},
        self.rule);
    visit(Field{"measure", "the deviation that rules look at: cosine or loss"}, self.measure);
    visit(Field{"eof", "blocks to freeze; 0: full fine-tuning"}.common().range(0, 1e5), self.cut);
    visit(
        Field{"tau", "threshold rule: share of the reduction left to the trained part"}.range(0, 1),
        self.tau);
    visit(Field{"fraction", "fraction rule: share of the blocks to freeze"}.range(0, 1),
        self.fraction);
    visit(Field{"min_steps", "optimizer steps that a depth has to be worth"}.range(1, 1e9),
        self.min_steps);
    visit(Field{"max_epochs", "epochs at most"}.common().range(0.01, 1e6), self.max_epochs);
    visit(Field{"accumulate", "batches of one optimizer step"}.range(1, 1e6), self.accumulate);
    visit(Field{"learning_rate", "instead of the rule in the trained share and the epochs"}
              .common()
              .range(1e-9, 1),
        self.learning_rate);
    limit_fields(self, visit);
    visit(Field{"stages",
              "tune in so many stages from max-gain's layer to the chosen cut; each where it pays"}
              .range(1, 32),
        self.stages);
    visit(Field{"prior", "JSON file like configs/prior.json to use instead of the built-in one"},
        self.prior);
    visit(Field{"trials", "trials.json of salf trial, for predictions that rest on these data"}
              .formerly("probe"),
        self.trials);
    visit(Field{"no_trials", "train no arms to compare them first, however large the budget"}
              .formerly("no_probes"),
        self.no_trials);
    cost::RateOptions::fields(self.rates, visit);
  }

  template <class Self, class Visitor> static void limit_fields(Self& self, Visitor& visit) {
    visit(Field{"max_memory",
              "memory that the run may hold at its height: 4GiB, 500MB; default: all it may use"}
              .common(),
        self.max_memory);
    visit(Field{"aim",
              "best: the lowest loss in the budget (default); cheapest, smallest: the least time "
              "or memory that ends within --max-loss-increase of the better of full fine-tuning "
              "and LoRA"}
              .common(),
        self.aim);
    visit(Field{"max_loss_increase",
              "nats a token, as 0.02 (default), or a share of what tuning gains, as 5%; alone it "
              "means --aim cheapest"}
              .common(),
        self.max_loss_increase);
  }

  std::vector<std::string> problems() const;
  // Without a budget: max_epochs epochs. Throws Error(kUsage).
  types::Budget parsed_budget() const;
  // What the options aim at: best where they say nothing.
  types::Aim wanted_aim() const;
  // The options but the budget, for a cut that is already settled where there is one.
  policy::Limits limits(const std::optional<std::int64_t>& settled_cut) const;
};

}  // namespace salf::app
