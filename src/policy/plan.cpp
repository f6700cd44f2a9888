#include "policy/plan.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "core/error.h"
#include "core/text.h"
#include "cost/energy.h"
#include "policy/advice.h"
#include "policy/learning_rate.h"
#include "policy/planner.h"

namespace salf::policy {
namespace {

using types::BudgetKind;

constexpr double kDevShare = 0.025;
constexpr std::int64_t kFewestDevDocuments = 16;

constexpr double kFactors[] = {0.25, 0.5, 1.0, 2.0, 4.0};  // budgets of the trade-off curve

void check_inputs(const Evidence& evidence, const types::Budget& budget, const Limits& limits) {
  std::vector<std::string> problems;
  const bool predicted = limits.rule == types::Rule::kPredicted;
  const auto refuse = [&problems](bool bad, const char* problem) {
    if (bad) problems.emplace_back(problem);
  };
  refuse(!(budget.amount > 0.0), "the budget must be above 0");
  refuse(limits.min_steps < 1, "--min-steps must be at least 1");
  refuse(!(limits.max_epochs > 0.0), "--max-epochs must be above 0");
  refuse(evidence.batches.accumulate < 1, "--accumulate must be at least 1");
  refuse(!budget.deterministic() && evidence.cost.timed_batches < 1,
      "a budget in time, energy or money needs measured costs, and none were measured");
  refuse(budget.kind() == BudgetKind::kPriced && !(budget.seconds > 0.0),
      "a budget in energy or money needs watts or a price");
  refuse(predicted && !evidence.basis.prior, "the rule predicted needs a prior");
  refuse(evidence.lora && (!predicted || limits.stages > 1),
      "LoRA beside whole blocks needs the rule predicted and one stage");
  refuse(limits.max_loss_increase && !predicted, "--max-loss-increase needs the rule predicted");
  refuse(limits.stages > 1 && (budget.kind() == BudgetKind::kWork || limits.max_loss_increase),
      "--stages needs a budget in time, energy, money, tokens, steps or epochs, and no "
      "--max-loss-increase: what its steps cost is decided on the way");
  refuse(limits.max_memory_bytes && !(evidence.cost.base_bytes > 0.0),
      "--max-memory: memory was not measured (on a GPU it cannot be predicted yet)");
  if (!problems.empty()) throw Error(ErrorKind::kUsage, core::join(problems, "; "));
  if (evidence.data.batches < 1)
    throw Error(ErrorKind::kBadInput, "the training split has no batch");
}

}  // namespace

Planner::Planner(const Evidence& evidence, const types::Budget& budget, const Limits& limits)
    : evidence_(evidence), budget_(budget), limits_(limits),
      deviation_(deviation_of(evidence.profile, limits.measure)),
      start_(choose_cut(limits.rule, limits.parameters, deviation_)), terms_{budget, evidence.data,
                                                                          evidence.batches,
                                                                          evidence.spent,
                                                                          limits.min_steps,
                                                                          limits.max_epochs} {
  const types::ModelShape& shape = evidence.profile.shape;
  methods_.emplace_back(shape, evidence.cost, terms_);
  if (evidence.lora) {
    types::ModelShape with = shape;
    with.block_trained_parameters = evidence.lora->block_trained_parameters;
    methods_.emplace_back(std::move(with), evidence.lora->cost, terms_);
  }
  const Prices& first = methods_.front();
  full_ = point(first.arm(0), 0, first.affordable_steps(0));
  if (!evidence.basis.prior) return;
  types::ModelShape whole = shape;
  whole.block_trained_parameters.clear();
  predictor_.emplace(evidence.basis, whole);
  before_ = evidence.loss_before ? evidence.loss_before : loss_before(evidence.profile);
}

types::Candidates Planner::candidates() const {
  Candidates all;
  for (const Prices& method : methods_) {
    for (std::int64_t cut = 0; cut < method.shape().blocks; ++cut)
      all.push_back(candidate(method, cut));
  }
  mark_pareto(all);
  return all;
}

types::Candidate Planner::candidate(const Prices& method, std::int64_t cut) const {
  Candidate one;
  one.arm = method.arm(cut);
  one.cut = cut;
  one.trained_parameters = method.shape().trained_parameters(cut);
  one.steps = method.affordable_steps(cut);
  one.fits = one.steps >= terms_.required_steps();
  if (predictor_ && limits_.max_loss_increase) {
    const auto fewest = fewest_steps(*one.arm, cut, one.steps);
    one.fits = one.fits && fewest;
    one.steps = fewest.value_or(one.steps);
  }
  one.tokens = static_cast<double>(one.steps) * terms_.tokens_per_step();
  one.learning_rate = rate(method, cut, one.steps);
  const Price seconds = method.price(cut, PriceUnit::kSeconds);
  const Price flops = method.price(cut, PriceUnit::kFlops);
  one.step_seconds = seconds.first_step();
  one.step_flops = flops.first_step();
  one.seconds = seconds.run(one.steps, kFewestEvaluations).total();
  one.flops = flops.run(one.steps, kFewestEvaluations).total();
  const double bytes = method.memory_bytes(cut, one.steps);
  if (bytes > 0.0) one.memory_bytes = bytes;
  one.fits = one.fits && !too_large(one);
  if (evidence_.rates) {
    const types::Footprint taken = cost::footprint(*evidence_.rates, one.seconds);
    one.energy_joules = taken.energy_joules;
    one.gco2 = taken.gco2;
    one.money = taken.money;
  }
  if (predictor_) predict(one);
  return one;
}

void Planner::predict(Candidate& candidate) const {
  const double scale = before_ ? before_->loss : 1.0;
  const ArmPoint at = point(*candidate.arm, candidate.cut, candidate.steps);
  candidate.loss = loss_range(at);
  const types::Range delta = predictor_->delta_range(at, full_);
  candidate.delta = types::Range{scale * delta.value, scale * delta.low, scale * delta.high};
}

std::optional<std::int64_t> Planner::fewest_steps(
    types::Arm arm, std::int64_t cut, std::int64_t most) const {
  const double limit =
      predictor_->ratio(full_) + *limits_.max_loss_increase / (before_ ? before_->loss : 1.0);
  const auto close = [&](std::int64_t steps) {
    return predictor_->ratio(point(arm, cut, steps)) <= limit;
  };
  if (!close(most)) return std::nullopt;
  std::int64_t low = std::min(most, terms_.required_steps()) - 1;
  std::int64_t high = most;
  while (low + 1 < high) {
    const std::int64_t middle = low + (high - low) / 2;
    (close(middle) ? high : low) = middle;
  }
  return high;
}

// The rule's learning rate for so many steps, or what trials put in its place.
double Planner::rate(const Prices& method, std::int64_t cut, std::int64_t steps) const {
  if (limits_.learning_rate) return *limits_.learning_rate;
  const auto& trials = evidence_.basis.trials;
  const types::Arm arm = method.arm(cut);
  const double factor = trials ? trial_rate_factor(*trials, arm, cut) : 1.0;
  const double epochs = static_cast<double>(steps) / terms_.steps_per_epoch();
  return std::min(1.0, factor * learning_rate(method.shape(), arm, cut, epochs));
}

const Prices& Planner::prices(const Candidate& candidate) const {
  return methods_.front().method() == types::method_of(*candidate.arm) ? methods_.front()
                                                                       : methods_.back();
}

bool Planner::too_large(const Candidate& candidate) const {
  return limits_.max_memory_bytes && candidate.memory_bytes &&
         *candidate.memory_bytes > *limits_.max_memory_bytes;
}

ArmPoint Planner::point(types::Arm arm, std::int64_t cut, std::int64_t steps) const {
  const auto epoch = static_cast<double>(evidence_.data.real_tokens);
  return {arm, cut, epoch * static_cast<double>(steps) / terms_.steps_per_epoch(), epoch};
}

types::Range Planner::loss_range(const ArmPoint& at) const {
  const types::Range ratio = predictor_->ratio_range(at);
  if (!before_) return ratio;
  const double error = std::isfinite(before_->standard_error) ? before_->standard_error : 0.0;
  const double half =
      std::hypot(before_->loss * (ratio.high - ratio.value), kNormal90 * ratio.value * error);
  const double value = before_->loss * ratio.value;
  return {value, value - half, value + half};
}

types::FreezePlan Planner::plan() const {
  types::FreezePlan plan = asked();
  plan.candidates = candidates();
  const Candidate& chosen = choose(plan.candidates);
  if (too_large(chosen)) refuse_limits(plan.candidates, &chosen);
  const std::vector<const Candidate*> by_prior = prior_choices(plan.candidates);
  plan.choices = choices(plan.candidates, chosen, by_prior);
  carry_out(plan, chosen);
  explain(plan, chosen);
  if (predictor_) say_what_is_predicted(plan);
  plan.notes = notes(plan, chosen, by_prior);
  return plan;
}

types::FreezePlan Planner::asked() const {
  types::FreezePlan plan;
  plan.provenance = evidence_.profile.provenance;
  plan.data = evidence_.data;
  plan.rule = limits_.rule;
  plan.budget = budget_;
  plan.batch_tokens = evidence_.batches.batch_tokens;
  plan.pack = evidence_.batches.pack;
  plan.accumulate = evidence_.batches.accumulate;
  plan.rates = evidence_.rates;
  plan.max_memory_bytes = limits_.max_memory_bytes;
  plan.max_loss_increase = limits_.max_loss_increase;
  return plan;
}

void Planner::carry_out(types::FreezePlan& plan, const Candidate& chosen) const {
  const Prices& method = prices(chosen);
  const bool affordable = method.affordable(chosen.cut);
  if (!affordable) plan.smallest_budget = method.smallest(chosen.cut);
  const Course course = this->course(chosen);
  plan.cut = chosen.cut;
  plan.stages = course.stages;
  plan.shape = method.shape();
  plan.cost = method.cost();
  if (evidence_.lora && method.method() == types::Method::kLora)
    plan.lora = evidence_.lora->settings;
  plan.steps = course.steps;
  plan.most_steps =
      limits_.max_loss_increase ? std::max<std::int64_t>(1, course.steps) : terms_.most_steps();
  plan.epochs = static_cast<double>(course.steps) / terms_.steps_per_epoch();
  plan.tokens = std::llround(plan.epochs * static_cast<double>(evidence_.data.real_tokens));
  plan.learning_rate = chosen.learning_rate;
  plan.evaluations = course.evaluations;
  plan.predicted_seconds = course.seconds;
  plan.predicted_flops = course.flops;
  const Candidate& full = plan.candidates.full();
  plan.full_step_seconds = full.step_seconds;
  plan.full_step_flops = full.step_flops;
  if (budget_.kind() == BudgetKind::kWork)
    plan.budget_flops =
        std::max(0.0, method.capacity() - course.flops.fixed - course.flops.evaluation);
  const double bytes = method.memory_bytes(plan.cut, plan.steps);
  if (bytes > 0.0) plan.memory_bytes = bytes;
  if (!evidence_.rates) return;
  const Price whole = methods_.front().price(0, PriceUnit::kSeconds);
  plan.footprint = cost::footprint(*evidence_.rates, course.seconds.total());
  plan.full_footprint =
      cost::footprint(*evidence_.rates, whole.run(course.steps, course.evaluations).total());
}

void Planner::say_what_is_predicted(types::FreezePlan& plan) const {
  plan.prediction_basis = predictor_->basis();
  plan.gradient_agreement = evidence_.basis.gradient_agreement;
  if (before_) plan.loss_before = before_->loss;
  if (const Candidate* const knee = knee_of(plan.candidates)) {
    plan.knee = knee->cut;
    plan.knee_arm = knee->arm;
  }
  for (const double factor : kFactors) plan.alternatives.push_back(alternative(factor));
}

types::FreezePlan plan(
    const Evidence& evidence, const types::Budget& budget, const Limits& limits) {
  check_inputs(evidence, budget, limits);
  return Planner(evidence, budget, limits).plan();
}

std::int64_t affordable_dev_documents(
    std::int64_t all, double seconds_per_document, double budget_seconds) {
  if (!(seconds_per_document > 0.0)) return all;
  const double affordable = std::floor(kDevShare * budget_seconds / seconds_per_document);
  return std::min(
      all, std::max(kFewestDevDocuments, static_cast<std::int64_t>(std::min(1e15, affordable))));
}

}  // namespace salf::policy
