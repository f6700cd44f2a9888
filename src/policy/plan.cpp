#include "policy/plan.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "core/error.h"
#include "core/text.h"
#include "cost/energy.h"
#include "cost/estimate.h"
#include "policy/advice.h"
#include "policy/planner.h"
#include "policy/stages.h"

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
  const bool saves = limits.aim != types::Aim::kBest;
  refuse(saves && !predicted, "--aim and --max-loss-increase need the rule predicted");
  refuse(limits.stages > 1 && (budget.kind() == BudgetKind::kWork || saves),
      "--stages needs a budget in time, energy, money, tokens, steps or epochs, and the aim best: "
      "what its steps cost is decided on the way");
  refuse(limits.max_memory_bytes && !(evidence.cost.base_bytes > 0.0),
      "--max-memory: memory was not measured");
  if (!problems.empty()) throw Error(ErrorKind::kUsage, core::join(problems, "; "));
  if (evidence.data.batches < 1)
    throw Error(ErrorKind::kBadInput, "the training split has no batch");
}

// Null where no rule looks at it and the layers were not measured.
const types::Deviation* deviation_in(const types::LayerProfile& profile, const Limits& limits) {
  const bool read = limits.stages > 1 ||
                    (limits.rule != types::Rule::kPredicted && !types::is_settled(limits.rule));
  if (!read && rule_deviations(profile).empty()) return nullptr;
  return &deviation_of(profile, limits.measure);
}

}  // namespace

Planner::Planner(const Evidence& evidence, const types::Budget& budget, const Limits& limits)
    : evidence_(evidence), budget_(budget), limits_(limits),
      deviation_(deviation_in(evidence.profile, limits)),
      start_(start()), terms_{budget, evidence.data, evidence.batches, evidence.spent,
                           limits.min_steps, limits.max_epochs} {
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
  if (saves()) limit_ = reference() + limits.max_loss_increase.as_ratio(reference(), loss_scale());
}

std::int64_t Planner::start() const {
  if (types::is_settled(limits_.rule))
    return settled_cut(limits_.rule, limits_.parameters, evidence_.profile.shape.blocks);
  if (limits_.rule == types::Rule::kPredicted) return 0;
  return choose_cut(limits_.rule, limits_.parameters, *deviation_);
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
  plan.batch_reason = evidence_.batches.reason;
  plan.pack = evidence_.batches.pack;
  plan.accumulate = evidence_.batches.accumulate;
  plan.rates = evidence_.rates;
  plan.max_memory_bytes = limits_.max_memory_bytes;
  plan.aim = limits_.aim;
  if (limit_) plan.max_loss_increase = loss_scale() * (*limit_ - reference());
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
  plan.most_steps = saves() ? std::max<std::int64_t>(1, course.steps) : terms_.most_steps();
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
  if (!evidence_.rates || !method.timed()) return;
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
  if (limits_.rule != types::Rule::kPredicted) return;
  plan.reference_loss = loss_scale() * reference();
  for (const auto& [aim, name] : enum_names(types::Aim{})) plan.aims.push_back(choice(aim));
}

Course Planner::course(const Candidate& chosen) const {
  const Prices& method = prices(chosen);
  Course course;
  course.evaluations = method.evaluations(chosen.cut);
  course.steps =
      method.affordable_steps(chosen.cut, std::max(course.evaluations, kFewestEvaluations));
  if (saves()) course.steps = std::min(course.steps, chosen.steps);
  course.seconds =
      method.price(chosen.cut, PriceUnit::kSeconds).run(course.steps, course.evaluations);
  course.flops = method.price(chosen.cut, PriceUnit::kFlops).run(course.steps, course.evaluations);
  if (limits_.stages == 1 || !method.affordable(chosen.cut)) return course;
  const std::int64_t deep = choose_cut(types::Rule::kMaxGain, limits_.parameters, *deviation_);
  std::vector<std::int64_t> cuts = stage_cuts(deep, chosen.cut, limits_.stages);
  return cuts.size() == 1 ? course : in_stages(std::move(course), std::move(cuts));
}

// Stages share what the budget leaves, the steps of a budget that counts them.
std::vector<std::int64_t> Planner::stage_steps(
    const std::vector<std::int64_t>& cuts, const Course& course) const {
  const Prices& whole = methods_.front();
  const bool timed = !budget_.deterministic();
  const std::size_t count = cuts.size();
  double left = static_cast<double>(course.steps);
  if (timed) {
    const Price last = whole.price(cuts.back());
    left = whole.capacity() - last.fixed -
           last.evaluations.of(std::max(course.evaluations, kFewestEvaluations));
    for (std::size_t i = 0; i + 1 < count; ++i) left -= whole.price(cuts[i]).evaluations.cached;
  }
  const auto most = static_cast<double>(timed ? terms_.most_steps() : course.steps);
  std::vector<std::int64_t> steps;
  double done = 0.0;
  for (std::size_t i = 0; i < count; ++i) {
    const double amount =
        left * (types::stage_end(i, count) - (i == 0 ? 0.0 : types::stage_end(i - 1, count)));
    double here = amount;
    if (timed) {
      const Price paid = whole.price(cuts[i]);
      here = cost::steps_for(
          amount, paid.first_step(), paid.later_step(), std::max(0.0, paid.steps_per_epoch - done));
    }
    const double before = std::floor(done + 1e-9);
    done = std::min(done + std::max(0.0, here), most);
    steps.push_back(static_cast<std::int64_t>(std::floor(done + 1e-9) - before));
  }
  return steps;
}

Course Planner::in_stages(Course course, std::vector<std::int64_t> cuts) const {
  const std::vector<std::int64_t> steps = stage_steps(cuts, course);
  const auto priced = [&](PriceUnit unit, types::CostBreakdown& all) {
    types::CostBreakdown sum;
    sum.evaluation = all.evaluation;
    std::int64_t done = 0;
    for (std::size_t i = 0; i < steps.size(); ++i) {
      const Price price = methods_.front().price(cuts[i], unit);
      sum = cost::sum(sum, price.steps(steps[i], done));
      if (i + 1 < steps.size() && course.evaluations > 0)
        sum.evaluation += price.evaluations.cached;
      done += steps[i];
    }
    sum.fixed += methods_.front().price(cuts.back(), unit).fixed;
    all = sum;
    return done;
  };
  priced(PriceUnit::kFlops, course.flops);
  course.steps = priced(PriceUnit::kSeconds, course.seconds);
  course.stages = std::move(cuts);
  return course;
}

types::FreezePlan plan(
    const Evidence& evidence, const types::Budget& budget, const Limits& limits) {
  check_inputs(evidence, budget, limits);
  return Planner(evidence, budget, limits).plan();
}

cost::MemoryOptions memory_options(const BatchSetting& batches, types::Method method, bool cached) {
  return {batches.batch_tokens, cached, batches.recompute, batches.ranks,
      types::shards(batches.shard_optimizer, method), batches.accumulate > batches.ranks,
      batches.frozen_bytes};
}

std::int64_t affordable_dev_documents(
    std::int64_t all, double seconds_per_document, double budget_seconds) {
  if (!(seconds_per_document > 0.0)) return all;
  const double affordable = std::floor(kDevShare * budget_seconds / seconds_per_document);
  return std::min(
      all, std::max(kFewestDevDocuments, static_cast<std::int64_t>(std::min(1e15, affordable))));
}

}  // namespace salf::policy
