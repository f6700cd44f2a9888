// From a profile and a budget to a plan: the options that plan and train share, the timing of real
// batches, and the planner behind them.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "app/energy_watch.h"
#include "app/lora_start.h"
#include "app/session.h"
#include "calibration/calibrate.h"
#include "core/fields.h"
#include "core/progress.h"
#include "cost/rates.h"
#include "data/batching/batching.h"
#include "policy/budget.h"
#include "types/freeze_plan.h"

namespace salf::app {

// What measuring the layers may take of a run (of a budget in time, or of the work that a budget
// counts) where that decides: more documents than that sharpen the choice of the cut less than the
// steps they would cost. Where it only goes into the report. And what timing may, of all methods
// together.
inline constexpr double kAnalysisShare = 0.05;
inline constexpr double kProfileShare = 0.025;
inline constexpr double kTimingShare = 0.025;
inline constexpr double timing_share(bool beside) {
  return kTimingShare / (beside ? 2.0 : 1.0);
}  // of one, where LoRA is timed beside blocks

struct PlanningOptions {
  std::string budget;  // "": 3 epochs
  types::Rule rule = types::Rule::kPredicted;
  types::Measure measure = types::Measure::kCosine;
  std::optional<std::int64_t> cut;  // the same as --rule fixed with this number
  double tau = policy::RuleParameters{}.tau;
  double fraction = policy::RuleParameters{}.fraction;
  std::int64_t min_steps = policy::PlanInputs{}.min_steps;
  double max_epochs = policy::PlanInputs{}.max_epochs;
  std::int64_t accumulate = 1;
  std::optional<double> learning_rate;
  std::string max_memory;  // "": no limit
  std::optional<double> max_loss_increase;
  std::int64_t stages = policy::PlanInputs{}.stages;
  std::string prior;   // "": the built-in one
  std::string trials;  // "": none
  bool no_trials = false;
  cost::RateOptions rates;

  template <class Self, class Visitor>
  static void fields(Self& self, Visitor& visit) {
    using core::Field;
    visit(Field{"budget",
              "3m, 2h, 40%, 1e15FLOP, 0.3kWh, 5USD, 50000tokens, 200steps or 3epochs; without "
              "one: --max-epochs epochs"},
        self.budget);
    visit(Field{"rule",
              "how the cut is chosen: predicted (the lowest predicted loss), budget (from "
              "max-gain's layer as far as the "
              "budget pays), or a rule that looks at the profile alone"},
        self.rule);
    visit(Field{"measure", "the deviation that rules look at: cosine or loss"}, self.measure);
    visit(Field{"eof", "freeze this many blocks (0: full fine-tuning)"}.range(0, 1e5), self.cut);
    visit(Field{"tau", "threshold rule: the share of the reduction left to the trained part"}.range(
              0, 1),
        self.tau);
    visit(Field{"fraction", "fraction rule: share of the blocks to freeze"}.range(0, 1),
        self.fraction);
    visit(Field{"min_steps", "optimizer steps that a depth has to be worth"}.range(1, 1e9),
        self.min_steps);
    visit(Field{"max_epochs", "epochs that are planned at most"}.range(0.01, 1e6), self.max_epochs);
    visit(Field{"accumulate", "batches of one optimizer step"}.range(1, 1e6), self.accumulate);
    visit(Field{"learning_rate", "instead of the rule in the trained share and the epochs"}.range(
              1e-9, 1),
        self.learning_rate);
    visit(Field{"max_memory", "memory that the run may hold at its height: 4GiB, 500MB"},
        self.max_memory);
    visit(Field{"max_loss_increase",
              "the least time that is predicted to end within so many nats of full fine-tuning"}
              .range(0, 100),
        self.max_loss_increase);
    visit(Field{"stages",
              "tune from deep to shallow in so many stages: from max-gain's layer to the chosen "
              "cut, the next blocks only "
              "where that is predicted to pay"}
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

  std::vector<std::string> problems() const;
  types::Budget parsed_budget() const;
};

// Adds what one epoch of a batcher's rows holds, as the cost model sees it, to `shape`.
void add_training_shape(const data::Batcher& batcher, std::uint64_t seed, types::DataShape& shape);

// The documents of a dev evaluation that has `count` of them: the same for plan and train, and for
// every seed, so that runs can be compared on them.
std::vector<std::int64_t> dev_documents(const data::Dataset& dataset, std::int64_t count);

struct PlanRequest {
  PlanningOptions planning;
  data::BatchOptions batch;
  std::uint64_t seed = 1;
  DataType dtype = DataType::kFloat32;
  bool cache = true;           // policy::PlanInputs::cache
  bool recompute = false;      // policy::PlanInputs::recompute
  double spent_seconds = 0.0;  // of a time budget when planning begins
  std::filesystem::path
      scratch{};  // a folder on the disk that the model is saved to: saving is timed there
  std::optional<LoraStart> lora{};    // instead of whole blocks; the session's cut has its branches
  std::optional<LoraStart> beside{};  // planned beside whole blocks
  std::optional<types::TrialTable> trials{};  // instead of planning.trials
  std::optional<types::LossBefore> before{};  // of dev documents, instead of the profile's
  policy::FirstEvaluation first_evaluation = policy::FirstEvaluation::kInTheRun;
  std::int64_t evaluated =
      0;  // dev documents of the first evaluation, where it is done: the further ones have the same
};

// What a step costs with each method that is planned, and what timing it saw of the data.
struct MethodCosts {
  types::MeasuredCost cost;
  std::optional<types::MeasuredCost> beside;
  std::optional<double> gradient_agreement;  // train::Timing, where the prior asks for it
};

// The batches of the train split.
data::Batcher train_batcher(
    const ModelSession& session, const data::Dataset& dataset, const data::BatchOptions& options);

// Epochs that a budget in steps, tokens or epochs asks for; nothing of another budget, or where
// there are no rows.
std::optional<double> counted_epochs(
    const PlanningOptions& planning, const data::Batcher& train_rows);

// What to measure where no rule reads the profile, which then only says what the loss is before,
// and goes into the report: no more documents for the sake of a settled choice, and where so few
// are trained on (repeated ones each time) that the usual sample would take more than its share,
// fewer of them.
calibration::CalibrationOptions short_calibration(
    calibration::CalibrationOptions asked, std::optional<double> trained_documents);

// Times a few batches. At the end the session's cut has the branches that it had.
MethodCosts time_methods(const ModelSession& session, const data::Dataset& dataset,
    const PlanRequest& request, const EnergyWatch& energy, core::Progress& progress);

// The budget may turn out too small: the plan then has smallest_budget.
types::FreezePlan make_run_plan(const ModelSession& session, const data::Dataset& dataset,
    const types::LayerProfile& profile, const PlanRequest& request, const MethodCosts& costs,
    const EnergyWatch& energy);

// What measuring `documents` of the train split takes of the budget, before it is done:
// Error(kBudget) where that or what has been spent already leaves nothing for training.
void check_room_for_analysis(const ModelSession& session, const data::Dataset& dataset,
    const types::Budget& budget, double budget_seconds, double spent_seconds,
    std::int64_t documents);

// Throws Error(kBudget) with the smallest budget that works, if the plan has one.
void check_affordable(const types::FreezePlan& plan);

// Throws Error(kUsage) unless a profile or plan was made for this model and these data.
void check_made_for(const types::Provenance& made, const ModelSession& session,
    const data::Dataset& dataset, const std::string& file);

c10::ScalarType autocast_type(DataType dtype, c10::Device device);

}  // namespace salf::app
