#include "train/run/budget_limits.h"

#include <algorithm>

#include "cost/flops.h"
#include "train/step/batch_stream.h"

namespace salf::train {
namespace {

bool counts_flops(const types::FreezePlan& plan) {
  return plan.budget.kind() == types::BudgetKind::kWork && plan.budget_flops > 0.0;
}

}  // namespace

bool keeps_prefix(const RunInputs& inputs) {
  const TrainOptions& options = inputs.how.options;
  const bool used_again = inputs.what.plan.epochs > 1.0 || options.keep_cache;
  return !options.no_cache && used_again;
}

double training_flops(
    const types::ModelShape& shape, const tensor::Batch& batch, std::int64_t cut, bool cached) {
  const types::CostBreakdown flops = cost::batch_flops(shape, cut,
      {static_cast<double>(batch.padded_tokens()), static_cast<double>(batch.supervised_tokens),
          static_cast<double>(batch.length())});
  return flops.total() - (cached ? flops.prefix : 0.0);
}

std::int64_t affordable_steps(const RunInputs& inputs) {
  const types::FreezePlan& plan = inputs.what.plan;
  const bool tokens = plan.budget.unit == types::BudgetUnit::kTokens;
  if (!tokens && !counts_flops(plan)) return plan.steps;
  const double amount = tokens ? plan.budget.amount : plan.budget_flops;
  BatchStream stream(inputs.what.train, inputs.how.seed, 0, 0);
  double spent = 0.0;
  for (std::int64_t step = 0; step < plan.steps; ++step) {
    for (std::int64_t i = 0; i < plan.accumulate; ++i) {
      const bool again = stream.epoch() > 0 && keeps_prefix(inputs) && plan.cut > 0;
      const tensor::Batch batch = stream.next();
      spent += tokens ? static_cast<double>(batch.real_tokens)
                      : training_flops(plan.shape, batch, plan.cut, again);
    }
    if (spent > amount) return step;
  }
  return plan.steps;
}

double budget_share(const types::FreezePlan& plan, const RunState& state, double spent_seconds,
    std::int64_t total) {
  const types::Budget& budget = plan.budget;
  if (!budget.deterministic()) return spent_seconds / budget.clock_seconds();
  if (budget.unit == types::BudgetUnit::kTokens)
    return static_cast<double>(state.tokens) / budget.amount;
  if (counts_flops(plan)) return state.flops / plan.budget_flops;
  return static_cast<double>(state.step) / static_cast<double>(std::max<std::int64_t>(1, total));
}

}  // namespace salf::train
