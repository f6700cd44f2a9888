#include "train/run/budget_limits.h"

#include <algorithm>

#include "train/step/batch_stream.h"

namespace salf::train {

bool keeps_prefix(const TrainInputs& inputs) {
  const bool used_again = inputs.plan.epochs > 1.0 || inputs.options.keep_cache;
  return !inputs.options.no_cache && used_again;
}

std::int64_t affordable_steps(const TrainInputs& inputs) {
  const types::FreezePlan& plan = inputs.plan;
  const bool tokens = plan.budget.unit == types::BudgetUnit::kTokens;
  const bool flops = plan.budget.unit == types::BudgetUnit::kFlops ||
                     plan.budget.unit == types::BudgetUnit::kShare;
  if ((!tokens && !flops) || (flops && inputs.budget_flops <= 0.0)) return plan.steps;
  const double amount = tokens ? plan.budget.amount : inputs.budget_flops;
  BatchStream stream(inputs.train, inputs.seed, 0, 0);
  double spent = 0.0;
  for (std::int64_t step = 0; step < plan.steps; ++step) {
    for (std::int64_t i = 0; i < plan.accumulate; ++i) {
      const bool again = stream.epoch() > 0 && keeps_prefix(inputs) && plan.cut > 0;
      const tensor::Batch batch = stream.next();
      spent += tokens ? static_cast<double>(batch.real_tokens)
                      : inputs.batch_flops(batch, plan.cut, again);
    }
    if (spent > amount) return step;
  }
  return plan.steps;
}

core::Json full_identity(const TrainInputs& inputs) {
  core::Json identity = inputs.identity;
  const types::FreezePlan& plan = inputs.plan;
  identity["eof"] = plan.cut;
  identity["budget"] = core::to_json(plan.budget);
  if (plan.budget_seconds > 0.0) identity["budget_seconds"] = plan.budget_seconds;
  if (!plan.stages.empty()) identity["stages"] = plan.stages;
  identity["steps"] = plan.steps;
  identity["most_steps"] = plan.most_steps;
  identity["learning_rate"] = plan.learning_rate;
  identity["batch_tokens"] = plan.batch_tokens;
  identity["pack"] = plan.pack;
  identity["accumulate"] = plan.accumulate;
  identity["evaluations"] = plan.evaluations;
  identity["seed"] = inputs.seed;
  identity["autocast"] = c10::toString(inputs.autocast);
  const core::Json options = core::to_json(inputs.options);
  for (const auto& entry : options.items()) {
    // How often a run is saved does not change what it computes.
    if (entry.key().rfind("checkpoint_", 0) != 0) identity[entry.key()] = entry.value();
  }
  return identity;
}

PacerOptions pacer_options(const TrainInputs& inputs) {
  const types::CostBreakdown& predicted = inputs.plan.predicted_seconds;
  const auto each = [](double seconds, std::int64_t count) {
    return seconds / static_cast<double>(std::max<std::int64_t>(1, count));
  };
  PacerOptions options;
  options.budget_seconds = inputs.plan.clock_seconds();
  options.closing_seconds = inputs.closing_seconds;
  options.step_seconds =
      each(predicted.total() - predicted.evaluation - predicted.fixed, inputs.plan.steps);
  options.evaluation_seconds = each(predicted.evaluation, inputs.plan.evaluations);
  return options;
}

double budget_share(
    const TrainInputs& inputs, const Progression& state, double spent_seconds, std::int64_t total) {
  const types::Budget& budget = inputs.plan.budget;
  if (!budget.deterministic()) return spent_seconds / inputs.plan.clock_seconds();
  if (budget.unit == types::BudgetUnit::kTokens)
    return static_cast<double>(state.tokens) / budget.amount;
  const bool counts_flops =
      budget.unit == types::BudgetUnit::kFlops || budget.unit == types::BudgetUnit::kShare;
  if (counts_flops && inputs.budget_flops > 0.0) return state.flops / inputs.budget_flops;
  return static_cast<double>(state.step) / static_cast<double>(std::max<std::int64_t>(1, total));
}

types::CacheUse sum(const types::CacheUse& a, const types::CacheUse& b) {
  types::CacheUse total = a;
  total.bytes += b.bytes;
  total.rows += b.rows;
  total.complete = a.complete && b.complete;
  total.rows_computed += b.rows_computed;
  total.rows_read += b.rows_read;
  return total;
}

}  // namespace salf::train
