// The planner. It chooses the cut that a budget pays for, whole blocks or LoRA above it, and the
// number of steps.
#pragma once

#include "cost/estimate.h"
#include "policy/prediction.h"
#include "policy/rules.h"
#include "types/freeze_plan.h"
#include "types/shard_optimizer.h"

namespace salf::policy {

// The batches that were timed, which are those of the run.
struct BatchSetting {
  std::int64_t batch_tokens = 1024;
  std::int64_t pack = 0;
  std::int64_t accumulate = 1;  // of an optimizer step
  bool cache = true;  // the frozen part's output is kept: its forward pass is paid for once per row
  bool recompute = false;  // cost::MemoryOptions::recompute
  std::int64_t ranks = 1;  // that share a step
  types::ShardOptimizer shard_optimizer = types::ShardOptimizer::kAuto;
  double frozen_bytes = 0.0;  // cost::MemoryOptions::frozen_bytes
  std::string reason{};       // for batch_tokens; "": they were given, or are the CPU's
};

// What of the batches decides how much memory a run takes. `cached`: the frozen part's output is
// kept from an earlier epoch.
cost::MemoryOptions memory_options(
    const BatchSetting& batches, types::Method method, bool cached = false);

// LoRA above a cut, as another way to spend the budget beside whole blocks.
struct LoraTiming {
  types::LoraSettings settings;
  std::vector<std::int64_t> block_trained_parameters;  // as in types::ModelShape
  types::MeasuredCost cost;                            // of steps with it
};

// Where dev documents are evaluated before the first step: by the run, which keeps what lies below
// the cut; before the plan is settled, when there is no cut yet; or that is done, and among what
// was spent.
enum class FirstEvaluation { kInTheRun, kBeforeThePlan, kDone };

// Of the budget, before training: loading, analysis, timing, trials.
struct Spent {
  double seconds = 0.0;
  double flops = 0.0;
  FirstEvaluation first_evaluation = FirstEvaluation::kInTheRun;
};

// What is known of the model, the data and the machine.
struct Evidence {
  // Of layers that were not measured, its shape and provenance: enough where no rule reads more.
  types::LayerProfile profile;
  types::DataShape data;  // of one epoch and one dev evaluation, in these batches
  BatchSetting batches;
  // Of steps with whole blocks, or what the profile's shape trains. Without timed batches, which
  // only a budget by the clock needs, the plan predicts no seconds.
  types::MeasuredCost cost;
  std::optional<LoraTiming> lora;                // of Rule::kPredicted: candidates beside those
  std::optional<types::LossBefore> loss_before;  // of dev documents, instead of the profile's
  PredictionBasis basis;                         // its prior is needed for Rule::kPredicted
  std::optional<types::Rates> rates;             // what a second takes
  Spent spent;
};

// What a plan has to keep to beside the budget.
struct Limits {
  types::Rule rule = types::Rule::kBudget;
  types::Measure measure = types::Measure::kCosine;
  RuleParameters parameters;
  std::int64_t min_steps = 20;  // optimizer steps below which a depth is not worth having
  double max_epochs = 3.0;  // more budget than this many epochs goes to depth, then stays unused
  std::int64_t stages = 1;  // cuts from max-gain's layer to the chosen one, in one run
  std::optional<double> learning_rate;  // instead of the rule in learning_rate.h
  std::optional<double> max_memory_bytes;
  // What the process may hold on this machine, also where no max_memory_bytes was asked for. It
  // rules out what is predicted to hold more; without a prediction nothing.
  std::optional<double> machine_memory_bytes;
  types::Aim aim = types::Aim::kBest;
  types::LossIncrease max_loss_increase{};  // that other aims accept
};

// Share of a time budget that is left unused, so that a machine that slows down a little does not
// break the promise.
inline constexpr double kTimeMargin = 0.04;

// Chooses and prices; the same evidence gives the same plan. Time budgets pay for what was spent,
// the steps, at least two dev evaluations, before the first step and after the last (more as long
// as they take no more than a tenth of the budget) and saving; budgets in FLOPs and shares
// likewise, without a margin. An optimizer step takes `accumulate` mean batches and goes on into
// the next epoch.
//
// Rule::kBudget starts at max-gain's eof-layer and moves towards the shallow blocks while the
// budget pays for min_steps (or for max_epochs, if that is less). No more than max_epochs are
// planned: more budget goes to depth, then stays unused. Budgets in tokens, steps and epochs are
// the number of steps itself (rounded down to whole steps), whatever they cost: neither min_steps
// nor max_epochs applies, and the start is the choice. choices ends with that of the rule in use,
// where it is not one of the three of all_choices.
//
// Rule::kPredicted takes, of all candidates (each cut; with Evidence::lora each twice) that fit
// (the budget pays for min_steps, and the memory is within both limits), the lowest predicted
// loss. Those within a thousandth of the loss before from it count as equal: of them the quickest,
// and of those within a twentieth of its time the shallowest. Of a budget by the clock all take as
// long: of those as close as the prior is known to err (Predictor::error_unseen) the shallowest is
// taken, of both methods there the one that trains fewer parameters. With another aim each
// candidate gets only the steps it needs to come as close as max_loss_increase to the better of
// full fine-tuning and LoRA on all blocks with this budget, and the one with the least seconds, or
// the least memory, is taken. choices then holds the choice's stability over the prior's resampled
// fits.
//
// When not even the start (or the depth of another rule) fits, smallest_budget is set: the smallest
// in the same unit that works for it, rounded up (a time 5 % more, since analysis takes a little
// longer at another try), and the plan's steps are what the budget does pay for.
// Throws Error(kUsage) for inputs out of range or contradictory, all of them at once, and for rules
// that do not fit the model; Error(kBadInput) when there is no training batch; Error(kBudget) where
// a limit of memory or the aim leaves no candidate that the budget alone would allow,
// with the least that would. REQUIRES: a budget in energy or money is resolved (cost/money.h)
types::FreezePlan plan(const Evidence& evidence, const types::Budget& budget, const Limits& limits);

// How many documents one dev evaluation may have, so that it takes at most 2.5 % of a time budget:
// all of them, or fewer, but at least 16. `all`: documents of the dev split; seconds_per_document
// from the measured cost.
std::int64_t affordable_dev_documents(
    std::int64_t all, double seconds_per_document, double budget_seconds);

}  // namespace salf::policy
