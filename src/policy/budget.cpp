#include "policy/budget.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "core/error.h"
#include "core/text.h"
#include "cost/energy.h"
#include "cost/estimate.h"
#include "policy/advice.h"
#include "policy/planner.h"

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
    problems.emplace_back(
        "a budget in time, energy or money needs measured costs, and none were measured");
  }
  if (!inputs.budget.deterministic() && inputs.budget.unit != BudgetUnit::kSeconds &&
      !(inputs.budget_seconds > 0.0)) {
    problems.emplace_back("a budget in energy or money needs watts or a price");
  }
  if (inputs.rule == types::Rule::kPredicted && !inputs.prior)
    problems.emplace_back("the rule predicted needs a prior");
  if (inputs.lora && (inputs.rule != types::Rule::kPredicted || inputs.stages > 1))
    problems.emplace_back("LoRA beside whole blocks needs the rule predicted and one stage");
  if (inputs.max_loss_increase && inputs.rule != types::Rule::kPredicted) {
    problems.emplace_back("--max-loss-increase needs the rule predicted");
  }
  const bool in_flops =
      inputs.budget.unit == BudgetUnit::kFlops || inputs.budget.unit == BudgetUnit::kShare;
  if (inputs.stages > 1 && (in_flops || inputs.max_loss_increase)) {
    problems.emplace_back(
        "--stages needs a budget in time, energy, money, tokens, steps or epochs, and no "
        "--max-loss-increase: what its "
        "steps cost is decided on the way");
  }
  if (inputs.max_memory_bytes && !(inputs.cost.base_bytes > 0.0)) {
    problems.emplace_back(
        "--max-memory: memory was not measured (on a GPU it cannot be predicted yet)");
  }
  if (!problems.empty()) throw Error(ErrorKind::kUsage, core::join(problems, "; "));
  if (inputs.data.batches < 1) throw Error(ErrorKind::kBadInput, "the training split has no batch");
}

}  // namespace

Planner::Planner(const types::LayerProfile& profile, const PlanInputs& inputs)
    : profile_(profile), inputs_(inputs), deviation_(deviation_of(profile, inputs.measure)) {
  check_inputs(inputs);
  methods_.emplace_back(profile.shape, inputs.cost, inputs);
  if (inputs.lora) {
    types::ModelShape with = profile.shape;
    with.block_trained_parameters = inputs.lora->block_trained_parameters;
    methods_.emplace_back(std::move(with), inputs.lora->cost, inputs);
  }
  if (inputs.prior) {
    types::ModelShape whole = profile.shape;
    whole.block_trained_parameters.clear();
    predictor_.emplace(*inputs.prior, whole, Evidence{inputs.trials, inputs.gradient_agreement});
  }
  if (predictor_) before_ = loss_before(profile);
}

types::FreezePlan Planner::plan() const {
  types::FreezePlan plan;
  plan.provenance = profile_.provenance;
  plan.data = inputs_.data;
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
  const std::int64_t start = choose_cut(inputs_.rule, inputs_.parameters, deviation_);
  const std::size_t place = choose(plan.candidates, start);
  const types::Candidate chosen = plan.candidates[place];
  if (too_large(chosen)) refuse_limits(plan.candidates, place);
  plan.cut = chosen.cut;
  plan.shape = prices(chosen).shape();
  plan.cost = prices(chosen).cost();
  if (inputs_.lora && chosen.arm == types::Arm::kLora) plan.lora = inputs_.lora->settings;
  const std::vector<std::size_t> by_prior = prior_choices(plan.candidates);
  plan.choices = choices(plan, by_prior);
  if (!affordable(chosen)) plan.smallest_budget = prices(chosen).smallest(chosen.cut);
  settle(plan, chosen);
  if (inputs_.stages > 1 && !plan.smallest_budget) settle_stages(plan);
  price_plan(plan, chosen);
  plan.reason = reason(plan, chosen, start);
  if (predictor_) {
    plan.prediction_basis = predictor_->basis();
    plan.gradient_agreement = inputs_.gradient_agreement;
    if (before_) plan.loss_before = before_->loss;
    if (const types::Candidate* const knee = knee_of(plan.candidates)) {
      plan.knee = knee->cut;
      plan.knee_arm = knee->arm;
    }
    for (const double factor : kFactors) plan.alternatives.push_back(alternative(factor));
  }
  for (const std::string& note :
      {method_note(plan.candidates, chosen, by_prior), trials_note(chosen)}) {
    if (!note.empty()) plan.notes.push_back(note);
  }
  for (std::string& note : notes_on(profile_, plan)) plan.notes.push_back(std::move(note));
  return plan;
}

void Planner::set_steps(types::FreezePlan& plan, std::int64_t steps) const {
  plan.steps = steps;
  plan.epochs = static_cast<double>(steps) / methods_.front().steps_per_epoch();
  plan.tokens = std::llround(plan.epochs * static_cast<double>(inputs_.data.real_tokens));
}

void Planner::settle(types::FreezePlan& plan, const types::Candidate& chosen) const {
  const Prices& method = prices(chosen);
  plan.evaluations = method.evaluations(plan.cut);
  std::int64_t steps =
      method.affordable_steps(plan.cut, std::max(plan.evaluations, kFewestEvaluations));
  plan.most_steps = method.most_steps();
  if (inputs_.max_loss_increase) {
    steps = std::min(steps, chosen.steps);
    plan.most_steps = std::max<std::int64_t>(1, steps);
  }
  set_steps(plan, steps);
  plan.learning_rate = chosen.learning_rate;
  plan.predicted_seconds = method.run_seconds(plan.cut, plan.steps, plan.evaluations);
  plan.predicted_flops = method.run_flops(plan.cut, plan.steps, plan.evaluations);
  plan.full_step_seconds = plan.candidates.front().step_seconds;
  plan.full_step_flops = plan.candidates.front().step_flops;
  if (!method.counts() && !method.in_seconds()) {
    plan.budget_flops = std::max(
        0.0, method.capacity() - plan.predicted_flops.fixed - plan.predicted_flops.evaluation);
  }
}

void Planner::price_plan(types::FreezePlan& plan, const types::Candidate& chosen) const {
  const double bytes = prices(chosen).memory_bytes(plan.cut, plan.steps);
  if (bytes > 0.0) plan.memory_bytes = bytes;
  if (!inputs_.rates) return;
  plan.footprint = cost::footprint(*inputs_.rates, plan.predicted_seconds.total());
  plan.full_footprint = cost::footprint(
      *inputs_.rates, methods_.front().run_seconds(0, plan.steps, plan.evaluations).total());
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
  return Planner(profile, inputs).plan();
}

std::int64_t affordable_dev_documents(
    std::int64_t all, double seconds_per_document, double budget_seconds) {
  if (!(seconds_per_document > 0.0)) return all;
  const double affordable = std::floor(kDevShare * budget_seconds / seconds_per_document);
  return std::min(
      all, std::max(kFewestDevDocuments, static_cast<std::int64_t>(std::min(1e15, affordable))));
}

}  // namespace salf::policy
