// From a profile and a budget to a plan: the options that plan and train share, the timing of real batches, and the
// planner behind them.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "salf/core/fields.h"
#include "salf/core/progress.h"
#include "salf/data/batching.h"
#include "salf/policy/budget.h"
#include "salf/types/freeze_plan.h"
#include "session.h"

namespace salf::tools {

struct PlanningOptions {
  std::string budget;  // "": 3 epochs
  types::Rule rule = types::Rule::kBudget;
  types::Measure measure = types::Measure::kCosine;
  std::optional<std::int64_t> eof;  // the same as --rule fixed with this number
  double tau = policy::RuleParameters{}.tau;
  double fraction = policy::RuleParameters{}.fraction;
  std::int64_t min_steps = policy::PlanInputs{}.min_steps;
  double max_epochs = policy::PlanInputs{}.max_epochs;
  std::int64_t accumulate = 1;
  std::optional<double> learning_rate;

  template <class Self, class Visitor>
  static void fields(Self& self, Visitor& visit) {
    using core::Field;
    visit(Field{"budget", "3m, 2h, 40%, 1e15FLOP, 50000tokens, 200steps or 3epochs; without one: --max-epochs epochs"},
          self.budget);
    visit(Field{"rule", "how the cut is chosen: max-gain, min-deviation, threshold, fixed, fraction or budget"}, self.rule);
    visit(Field{"measure", "the deviation that rules look at: cosine or loss"}, self.measure);
    visit(Field{"eof", "freeze this many blocks (0: full fine-tuning)"}.range(0, 1e5), self.eof);
    visit(Field{"tau", "threshold rule: the share of the reduction left to the trained part"}.range(0, 1), self.tau);
    visit(Field{"fraction", "fraction rule: share of the blocks to freeze"}.range(0, 1), self.fraction);
    visit(Field{"min_steps", "optimizer steps that a depth has to be worth"}.range(1, 1e9), self.min_steps);
    visit(Field{"max_epochs", "epochs that are planned at most"}.range(0.01, 1e6), self.max_epochs);
    visit(Field{"accumulate", "batches of one optimizer step"}.range(1, 1e6), self.accumulate);
    visit(Field{"learning_rate", "instead of the rule in the trained share"}.range(1e-9, 1), self.learning_rate);
  }

  std::vector<std::string> problems() const;
  types::Budget parsed_budget() const;
};

// The documents of a dev evaluation that has `count` of them: the same for plan and train.
std::vector<std::int64_t> dev_documents(const data::Dataset& dataset, std::int64_t count, std::uint64_t seed);

struct PlanRequest {
  PlanningOptions planning;
  data::BatchOptions batch;
  std::uint64_t seed = 1;
  DataType dtype = DataType::kFloat32;
  bool cache = true;           // policy::PlanInputs::cache
  double spent_seconds = 0.0;  // of a time budget when planning begins
};

// Times a few batches and plans. The budget may turn out too small: the plan then has smallest_budget.
types::FreezePlan make_run_plan(const ModelSession& session, const data::Dataset& dataset,
                                const types::LayerProfile& profile, const PlanRequest& request,
                                core::Progress& progress);

// Throws Error(kBudget) with the smallest budget that works, if the plan has one.
void check_affordable(const types::FreezePlan& plan);

// Throws Error(kUsage) unless a profile or plan was made for this model and these data.
void check_made_for(const types::Provenance& made, const ModelSession& session, const data::Dataset& dataset,
                    const std::string& file);

// The plan as a person reads it, its sentences within `width` columns.
std::string describe_plan(const types::FreezePlan& plan, std::size_t width = 80);

c10::ScalarType autocast_type(DataType dtype, c10::Device device);

}  // namespace salf::tools
