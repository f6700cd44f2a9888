#include "salf/policy/budget.h"

#include <algorithm>
#include <cmath>

#include "advice.h"
#include "planner.h"
#include "salf/core/error.h"
#include "salf/core/text.h"
#include "salf/cost/estimate.h"
#include "salf/policy/learning_rate.h"

namespace salf::policy {
namespace {

using types::BudgetUnit;

constexpr double kDevShare = 0.025;
constexpr std::int64_t kFewestDevDocuments = 16;

constexpr double kFactors[] = {0.25, 0.5, 1.0, 2.0, 4.0};  // budgets of the trade-off curve

void check_inputs(const PlanInputs& inputs) {
  std::vector<std::string> problems;
  if (!(inputs.budget.amount > 0.0)) problems.emplace_back("the budget must be above 0");
  if (inputs.min_steps < 1) problems.emplace_back("--min-steps must be at least 1");
  if (!(inputs.max_epochs > 0.0)) problems.emplace_back("--max-epochs must be above 0");
  if (inputs.accumulate < 1) problems.emplace_back("--accumulate must be at least 1");
  if (!inputs.budget.deterministic() && inputs.cost.timed_batches < 1) {
    problems.emplace_back("a budget in time, energy or money needs measured costs, and none were measured");
  }
  if (!inputs.budget.deterministic() && inputs.budget.unit != BudgetUnit::kSeconds && !(inputs.budget_seconds > 0.0)) {
    problems.emplace_back("a budget in energy or money needs watts or a price");
  }
  if (inputs.rule == types::Rule::kPredicted && !inputs.prior) problems.emplace_back("the rule predicted needs a prior");
  if (inputs.max_loss_increase && inputs.rule != types::Rule::kPredicted) {
    problems.emplace_back("--max-loss-increase needs the rule predicted");
  }
  const bool in_flops = inputs.budget.unit == BudgetUnit::kFlops || inputs.budget.unit == BudgetUnit::kShare;
  if (inputs.stages > 1 && (in_flops || inputs.max_loss_increase)) {
    problems.emplace_back("--stages needs a budget in time, energy, money, tokens, steps or epochs, and no --max-loss-increase: what its "
                          "steps cost is decided on the way");
  }
  if (inputs.max_memory_bytes && !(inputs.cost.base_bytes > 0.0)) {
    problems.emplace_back("--max-memory: memory was not measured (on a GPU it cannot be predicted yet)");
  }
  if (!problems.empty()) throw Error(ErrorKind::kUsage, core::join(problems, "; "));
  if (inputs.data.batches < 1) throw Error(ErrorKind::kBadInput, "the training split has no batch");
}

}  // namespace

std::int64_t whole_steps(double steps) {
  return static_cast<std::int64_t>(std::floor(std::min(steps, 1e15) * (1.0 + 1e-12)));
}

std::int64_t most_steps(const PlanInputs& inputs) {
  return std::max<std::int64_t>(
      1, whole_steps(inputs.max_epochs * static_cast<double>(inputs.data.batches) /
                     static_cast<double>(inputs.accumulate)));
}

Planner::Planner(const types::LayerProfile& profile, const PlanInputs& inputs)
    : shape_(profile.shape), inputs_(inputs), deviation_(deviation_of(profile, inputs.measure)) {
  check_inputs(inputs);
  counts_ = inputs.budget.unit == BudgetUnit::kTokens ||
            inputs.budget.unit == BudgetUnit::kSteps || inputs.budget.unit == BudgetUnit::kEpochs;
  in_seconds_ = !inputs.budget.deterministic();
  clock_seconds_ = inputs.budget.unit == BudgetUnit::kSeconds ? inputs.budget.amount : inputs.budget_seconds;
  if (inputs.prior) predictor_.emplace(*inputs.prior, shape_, Evidence{profile.gradient_sketch, inputs.probes});
  before_ = known_loss_before(profile);
  steps_per_epoch_ =
      static_cast<double>(inputs.data.batches) / static_cast<double>(inputs.accumulate);
  most_steps_ = most_steps(inputs);
  required_ = std::min(inputs.min_steps, most_steps_);
  capacity_ = in_seconds_ ? clock_seconds_ * (1.0 - kTimeMargin)
              : counts_   ? 0.0
                          : budget_flops(shape_, inputs);
}

types::FreezePlan Planner::plan(const types::LayerProfile& profile) const {
  types::FreezePlan plan;
  plan.provenance = profile.provenance;
  plan.shape = shape_;
  plan.data = inputs_.data;
  plan.cost = inputs_.cost;
  plan.rule = inputs_.rule;
  plan.budget = inputs_.budget;
  plan.batch_tokens = inputs_.batch_tokens;
  plan.pack = inputs_.pack;
  plan.accumulate = inputs_.accumulate;
  plan.budget_seconds = inputs_.budget.unit == BudgetUnit::kSeconds ? 0.0 : inputs_.budget_seconds;
  plan.rates = inputs_.rates;
  plan.max_memory_bytes = inputs_.max_memory_bytes;
  plan.max_loss_increase = inputs_.max_loss_increase;
  plan.candidates = candidates();
  const std::int64_t start = choose_eof(inputs_.rule, inputs_.parameters, deviation_);
  plan.eof = choose(plan.candidates, start);
  if (too_large(plan.candidates[index(plan.eof)])) refuse_limits(plan.candidates, plan.eof);
  plan.choices = choices(profile, plan);
  if (!affordable(plan.candidates[index(plan.eof)])) plan.smallest_budget = smallest(plan.eof);
  settle(plan);
  if (inputs_.stages > 1 && !plan.smallest_budget) settle_stages(plan);
  price_plan(plan);
  plan.reason = reason(plan, start);
  if (predictor_) {
    plan.prediction_basis = predictor_->basis();
    if (before_) plan.loss_before = before_->loss;
    plan.knee = knee_of(plan.candidates);
    for (const double factor : kFactors) plan.alternatives.push_back(alternative(profile, factor));
  }
  if (inputs_.probes && !inputs_.learning_rate) {
    const double factor = probed_rate_factor(*inputs_.probes, arm(plan.eof), plan.eof);
    if (factor != 1.0) plan.notes.push_back("the learning rate is " + core::format_number(factor) + " times the rule's: clearly better in the probes");
  }
  for (std::string& note : notes_on(profile, plan)) plan.notes.push_back(std::move(note));
  return plan;
}

double budget_flops(const types::ModelShape& shape, const PlanInputs& inputs) {
  if (inputs.budget.unit == BudgetUnit::kFlops) return inputs.budget.amount;
  types::ModelShape whole = shape;
  whole.block_trained_parameters.clear();
  const double full = static_cast<double>(most_steps(inputs)) *
                          cost::step_flops(whole, inputs.data, 0, inputs.accumulate).total() +
                      static_cast<double>(kFewestEvaluations) *
                          cost::evaluation_flops(shape, cost::dev_batch(inputs.data));
  return inputs.budget.amount * full;
}

types::FreezePlan make_plan(const types::LayerProfile& profile, const PlanInputs& inputs) {
  return Planner(profile, inputs).plan(profile);
}

std::int64_t affordable_dev_documents(std::int64_t all, double seconds_per_document,
                                      double budget_seconds) {
  if (!(seconds_per_document > 0.0)) return all;
  const double affordable = std::floor(kDevShare * budget_seconds / seconds_per_document);
  return std::min(
      all, std::max(kFewestDevDocuments, static_cast<std::int64_t>(std::min(1e15, affordable))));
}

}  // namespace salf::policy
