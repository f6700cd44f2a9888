#include "salf/policy/budget.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "salf/core/error.h"
#include "advice.h"
#include "salf/core/text.h"
#include "salf/cost/energy.h"
#include "salf/cost/estimate.h"
#include "salf/cost/memory.h"
#include "salf/policy/learning_rate.h"
#include "salf/types/budget.h"

namespace salf::policy {
namespace {

using types::BudgetUnit;

constexpr std::int64_t kFewestEvaluations = 2;  // before the first step and after the last
constexpr std::int64_t kMostEvaluations = 8;
constexpr double kEvaluationShare = 0.1;  // of the budget
constexpr double kDevShare = 0.025;
constexpr std::int64_t kFewestDevDocuments = 16;

// Analysis and timing take a little longer at the next try; the smallest budget must pay for them
// then too.
constexpr double kHeadroom = 1.05;
// Predicted losses this close (as a share of the loss before) count as the same.
constexpr double kSameLoss = 0.001;
constexpr double kFactors[] = {0.25, 0.5, 1.0, 2.0, 4.0};  // budgets of the trade-off curve

// Whole steps in a quotient that rounding may have left just below a whole number.
std::int64_t whole_steps(double steps) {
  return static_cast<std::int64_t>(std::floor(std::min(steps, 1e15) * (1.0 + 1e-12)));
}

// Steps of the largest number of epochs that is planned. A step takes `accumulate` batches and goes
// on into the next epoch.
std::int64_t most_steps(const PlanInputs& inputs) {
  return std::max<std::int64_t>(
      1, whole_steps(inputs.max_epochs * static_cast<double>(inputs.data.batches) /
                     static_cast<double>(inputs.accumulate)));
}

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
  if (inputs.max_memory_bytes && !(inputs.cost.base_bytes > 0.0)) {
    problems.emplace_back("--max-memory: memory was not measured (on a GPU it cannot be predicted yet)");
  }
  if (!problems.empty()) throw Error(ErrorKind::kUsage, core::join(problems, "; "));
  if (inputs.data.batches < 1) throw Error(ErrorKind::kBadInput, "the training split has no batch");
}

// A depth's price in the budget's own unit: seconds or FLOPs.
struct Price {
  double fixed = 0.0;
  double first_evaluation = 0.0;
  double evaluation = 0.0;  // each further one
  double step = 0.0;        // of the first epoch
  double later_step = 0.0;  // of further epochs

  double evaluations(std::int64_t count) const {
    return count == 0 ? 0.0 : first_evaluation + static_cast<double>(count - 1) * evaluation;
  }
};

class Planner {
 public:
  Planner(const types::LayerProfile& profile, const PlanInputs& inputs)
      : shape_(profile.shape), inputs_(inputs), deviation_(deviation_of(profile, inputs.measure)) {
    check_inputs(inputs);
    counts_ = inputs.budget.unit == BudgetUnit::kTokens ||
              inputs.budget.unit == BudgetUnit::kSteps || inputs.budget.unit == BudgetUnit::kEpochs;
    in_seconds_ = !inputs.budget.deterministic();
    clock_seconds_ = inputs.budget.unit == BudgetUnit::kSeconds ? inputs.budget.amount : inputs.budget_seconds;
    if (inputs.prior) predictor_.emplace(*inputs.prior, shape_);
    before_ = known_loss_before(profile);
    steps_per_epoch_ =
        static_cast<double>(inputs.data.batches) / static_cast<double>(inputs.accumulate);
    most_steps_ = most_steps(inputs);
    required_ = std::min(inputs.min_steps, most_steps_);
    capacity_ = in_seconds_ ? clock_seconds_ * (1.0 - kTimeMargin)
                : counts_   ? 0.0
                            : budget_flops(shape_, inputs);
  }

  types::FreezePlan plan(const types::LayerProfile& profile) const {
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
    plan.choices = choices(profile, plan);
    if (!affordable(plan.candidates[index(plan.eof)])) plan.smallest_budget = smallest(plan.eof);
    settle(plan);
    price_plan(plan);
    plan.reason = reason(plan, start);
    if (predictor_) {
      plan.prediction_basis = predictor_->basis();
      if (before_) plan.loss_before = before_->loss;
      plan.knee = knee_of(plan.candidates);
      for (const double factor : kFactors) plan.alternatives.push_back(alternative(profile, factor));
    }
    plan.notes = notes_on(profile, plan);
    return plan;
  }

 private:
  static std::size_t index(std::int64_t eof) { return static_cast<std::size_t>(eof); }

  // The last space's loss is the model's own where the final norm was applied and every token was measured.
  std::optional<LossBefore> known_loss_before(const types::LayerProfile& profile) const {
    if (!predictor_ || profile.norm != "final" || profile.positions != "supervised") return std::nullopt;
    return loss_before(profile);
  }

  std::vector<types::Candidate> candidates() const {
    std::vector<types::Candidate> all;
    for (std::int64_t eof = 0; eof < shape_.blocks; ++eof) all.push_back(candidate(eof));
    if (predictor_) predict(all);
    for (types::Candidate& candidate : all) candidate.fits = candidate.fits && !too_large(candidate);
    mark_pareto(all);
    return all;
  }

  bool too_large(const types::Candidate& candidate) const {
    return inputs_.max_memory_bytes && candidate.memory_bytes && *candidate.memory_bytes > *inputs_.max_memory_bytes;
  }
  bool affordable(const types::Candidate& candidate) const { return enough(affordable_steps(candidate.eof, kFewestEvaluations)); }

  types::Arm arm(std::int64_t eof) const {
    if (!shape_.block_trained_parameters.empty()) return types::Arm::kLora;
    return eof == 0 ? types::Arm::kFull : types::Arm::kFreeze;
  }

  ArmPoint point(std::int64_t eof, std::int64_t steps) const {
    const auto supervised = static_cast<double>(inputs_.data.supervised_tokens);
    return {arm(eof), eof, supervised * static_cast<double>(steps) / steps_per_epoch_,
            supervised};
  }

  // Nats where the loss before is known, else shares of it.
  types::Range loss_range(const ArmPoint& at) const {
    const types::Range ratio = predictor_->ratio_range(at);
    if (!before_) return ratio;
    const double error = std::isfinite(before_->standard_error) ? before_->standard_error : 0.0;
    const double half = std::hypot(before_->loss * (ratio.high - ratio.value), kNormal90 * ratio.value * error);
    const double value = before_->loss * ratio.value;
    return {value, value - half, value + half};
  }

  void predict(std::vector<types::Candidate>& all) const {
    const double scale = before_ ? before_->loss : 1.0;
    const ArmPoint full = point(0, affordable_steps(0, kFewestEvaluations));
    for (types::Candidate& candidate : all) {
      if (inputs_.max_loss_increase) shorten(candidate, full);
      const ArmPoint at = point(candidate.eof, candidate.steps);
      candidate.loss = loss_range(at);
      const types::Range delta = predictor_->delta_range(at, full);
      candidate.delta = types::Range{scale * delta.value, scale * delta.low, scale * delta.high};
    }
  }

  // As few steps as bring it within max_loss_increase of full fine-tuning; it does not fit where none do.
  void shorten(types::Candidate& candidate, const ArmPoint& full) const {
    const double limit = predictor_->ratio(full) + *inputs_.max_loss_increase / (before_ ? before_->loss : 1.0);
    const auto close = [&](std::int64_t steps) { return predictor_->ratio(point(candidate.eof, steps)) <= limit; };
    if (!close(candidate.steps)) {
      candidate.fits = false;
      return;
    }
    std::int64_t low = std::min(candidate.steps, counts_ ? 1 : required_) - 1;
    std::int64_t high = candidate.steps;
    while (low + 1 < high) {
      const std::int64_t middle = low + (high - low) / 2;
      (close(middle) ? high : low) = middle;
    }
    fill(candidate, high);
  }

  // The rule's choice among these. Where nothing fits, that whose smallest budget is told.
  std::int64_t choose(const std::vector<types::Candidate>& all, std::int64_t start) const {
    if (inputs_.rule == types::Rule::kPredicted) {
      const std::optional<std::int64_t> best = best_predicted(all, losses(all));
      return best ? *best : cheapest_to_start(all);
    }
    return counts_ || inputs_.rule != types::Rule::kBudget ? start : shallowest_that_fits(all, start);
  }

  std::vector<double> losses(const std::vector<types::Candidate>& all) const {
    std::vector<double> ratios;
    for (const auto& candidate : all) ratios.push_back(predictor_->ratio(point(candidate.eof, candidate.steps)));
    return ratios;
  }

  // `ratios`: predicted loss as a share of that before, one a candidate.
  std::optional<std::int64_t> best_predicted(const std::vector<types::Candidate>& all, const std::vector<double>& ratios) const {
    std::optional<std::size_t> best;
    for (std::size_t i = 0; i < all.size(); ++i) {
      if (!all[i].fits) continue;
      const bool better = !best || (inputs_.max_loss_increase ? all[i].seconds < all[*best].seconds : ratios[i] < ratios[*best]);
      if (better) best = i;
    }
    if (!best) return std::nullopt;
    if (inputs_.max_loss_increase) return all[*best].eof;
    for (std::size_t i = all.size(); i-- > 0;) {
      if (all[i].fits && ratios[i] <= ratios[*best] + kSameLoss) return all[i].eof;
    }
    return all[*best].eof;
  }

  // Refuses where a limit other than the budget is in the way.
  std::int64_t cheapest_to_start(const std::vector<types::Candidate>& all) const {
    for (const auto& candidate : all) {
      if (affordable(candidate)) refuse_limits(all);
    }
    return shape_.blocks - 1;
  }

  [[noreturn]] void refuse_limits(const std::vector<types::Candidate>& all) const {
    double memory = std::numeric_limits<double>::infinity();
    for (const auto& candidate : all) {
      if (affordable(candidate)) memory = std::min(memory, candidate.memory_bytes.value_or(memory));
    }
    std::string text = "no plan is within all limits";
    if (inputs_.max_memory_bytes) {
      text += "; of the cuts that the budget pays for the smallest needs " + core::format_bytes(static_cast<std::uint64_t>(memory)) +
              " of memory, --max-memory is " + core::format_bytes(static_cast<std::uint64_t>(*inputs_.max_memory_bytes)) +
              " (a smaller --batch-tokens needs less)";
    }
    if (inputs_.max_loss_increase) {
      text += "; --max-loss-increase " + core::format_number(*inputs_.max_loss_increase) + " of full fine-tuning with this budget";
    }
    throw Error(ErrorKind::kBudget, text);
  }

  Price price(std::int64_t eof) const {
    Price price;
    price.fixed = in_seconds_ ? inputs_.spent_seconds + cost::save_seconds(inputs_.cost, shape_) : inputs_.spent_flops;
    const types::CostBreakdown step = in_seconds_ ? step_seconds(eof) : step_flops(eof);
    price.step = step.total();
    price.later_step = step.total() - (caches(eof) ? step.prefix : 0.0);
    price.first_evaluation = in_seconds_ ? evaluation_seconds(0) : evaluation_flops(0);
    const std::int64_t below = caches(eof) ? eof : 0;
    price.evaluation = in_seconds_ ? evaluation_seconds(below) : evaluation_flops(below);
    return price;
  }

  bool caches(std::int64_t eof) const { return inputs_.cache && eof > 0; }

  types::CostBreakdown step_seconds(std::int64_t eof) const {
    return cost::step_seconds(inputs_.cost, shape_, inputs_.data, eof, inputs_.accumulate);
  }
  types::CostBreakdown step_flops(std::int64_t eof) const {
    return cost::step_flops(shape_, inputs_.data, eof, inputs_.accumulate);
  }
  // One dev evaluation, without the blocks below `from`.
  double evaluation_seconds(std::int64_t from) const {
    return cost::evaluation_seconds(inputs_.cost, shape_.blocks - from, cost::dev_batch(inputs_.data));
  }
  double evaluation_flops(std::int64_t from) const {
    return cost::evaluation_flops(shape_, cost::dev_batch(inputs_.data), from);
  }

  // `one` for each step; its prefix for the steps of the first epoch only, where its output is kept.
  types::CostBreakdown over_steps(const types::CostBreakdown& one, std::int64_t eof, std::int64_t steps) const {
    types::CostBreakdown all = cost::scaled(one, static_cast<double>(steps));
    if (caches(eof)) all.prefix = one.prefix * std::min(static_cast<double>(steps), steps_per_epoch_);
    return all;
  }

  std::int64_t counted_steps() const {
    const double amount = inputs_.budget.amount;
    if (inputs_.budget.unit == BudgetUnit::kSteps) return whole_steps(amount);
    if (inputs_.budget.unit == BudgetUnit::kEpochs) return whole_steps(amount * steps_per_epoch_);
    return whole_steps(amount / tokens_per_step());
  }

  double tokens_per_step() const {
    return std::max(1.0, static_cast<double>(inputs_.data.real_tokens) / steps_per_epoch_);
  }

  std::int64_t affordable_steps(std::int64_t eof, std::int64_t evaluations) const {
    if (counts_) return counted_steps();
    const Price paid = price(eof);
    const double left = capacity_ - paid.fixed - paid.evaluations(evaluations);
    if (!(left > 0.0) || !(paid.step > 0.0)) return 0;
    double steps = left / paid.step;
    if (steps > steps_per_epoch_) steps = steps_per_epoch_ + (left - steps_per_epoch_ * paid.step) / paid.later_step;
    return std::min(most_steps_, whole_steps(steps));
  }

  bool enough(std::int64_t steps) const { return counts_ ? steps >= 1 : steps >= required_; }

  types::Candidate candidate(std::int64_t eof) const {
    types::Candidate candidate;
    candidate.arm = arm(eof);
    candidate.eof = eof;
    candidate.trained_parameters = shape_.trained_parameters(eof);
    candidate.learning_rate = inputs_.learning_rate ? *inputs_.learning_rate : learning_rate(shape_, *candidate.arm, eof);
    const std::int64_t steps = affordable_steps(eof, kFewestEvaluations);
    candidate.fits = enough(steps);
    fill(candidate, steps);
    return candidate;
  }

  // What so many steps of it take.
  void fill(types::Candidate& candidate, std::int64_t steps) const {
    const std::int64_t eof = candidate.eof;
    candidate.steps = steps;
    candidate.tokens = static_cast<double>(steps) * tokens_per_step();
    const types::CostBreakdown seconds = run_seconds(eof, candidate.steps, kFewestEvaluations);
    const types::CostBreakdown flops = run_flops(eof, candidate.steps, kFewestEvaluations);
    candidate.step_seconds = step_seconds(eof).total();
    candidate.step_flops = step_flops(eof).total();
    candidate.seconds = seconds.total();
    candidate.flops = flops.total();
    const double bytes = cost::peak_bytes(inputs_.cost, shape_, eof, memory_options(candidate.steps));
    if (bytes > 0.0) candidate.memory_bytes = bytes;
    if (!inputs_.rates) return;
    const types::Footprint taken = cost::footprint(*inputs_.rates, candidate.seconds);
    candidate.energy_joules = taken.energy_joules;
    candidate.gco2 = taken.gco2;
    candidate.money = taken.money;
  }

  cost::MemoryOptions memory_options(std::int64_t steps) const {
    return {inputs_.batch_tokens, inputs_.cache && static_cast<double>(steps) > steps_per_epoch_, inputs_.recompute};
  }

  types::CostBreakdown run_seconds(std::int64_t eof, std::int64_t steps,
                                   std::int64_t evaluations) const {
    types::CostBreakdown seconds = over_steps(step_seconds(eof), eof, steps);
    if (evaluations > 0) {
      seconds.evaluation =
          evaluation_seconds(0) + static_cast<double>(evaluations - 1) * evaluation_seconds(caches(eof) ? eof : 0);
    }
    seconds.fixed += inputs_.spent_seconds + cost::save_seconds(inputs_.cost, shape_);
    return seconds;
  }

  types::CostBreakdown run_flops(std::int64_t eof, std::int64_t steps,
                                 std::int64_t evaluations) const {
    types::CostBreakdown flops = over_steps(step_flops(eof), eof, steps);
    if (evaluations > 0) {
      flops.evaluation =
          evaluation_flops(0) + static_cast<double>(evaluations - 1) * evaluation_flops(caches(eof) ? eof : 0);
    }
    flops.fixed = inputs_.spent_flops;
    return flops;
  }

  static std::int64_t shallowest_that_fits(const std::vector<types::Candidate>& all, std::int64_t start) {
    std::int64_t eof = start;
    while (eof > 0 && all[index(eof)].fits && all[index(eof - 1)].fits) --eof;
    return eof;
  }

  // The same rule with `factor` times the budget.
  types::Alternative alternative(const types::LayerProfile& profile, double factor) const {
    PlanInputs other = inputs_;
    other.budget.amount *= factor;
    other.budget_seconds *= factor;
    if (other.budget.unit == BudgetUnit::kSteps || other.budget.unit == BudgetUnit::kTokens) {
      other.budget.amount = std::max(1.0, std::floor(other.budget.amount));
    }
    types::Alternative result;
    result.factor = factor;
    result.budget = other.budget;
    other.max_loss_increase.reset();
    const Planner planner(profile, other);
    const std::vector<types::Candidate> all = planner.candidates();
    if (std::none_of(all.begin(), all.end(), [](const auto& candidate) { return candidate.fits; })) return result;
    const std::int64_t start = choose_eof(inputs_.rule, inputs_.parameters, deviation_);
    const types::Candidate& chosen = all[index(planner.choose(all, start))];
    result.fits = chosen.fits;
    if (!chosen.fits) return result;
    result.eof = chosen.eof;
    result.steps = chosen.steps;
    result.seconds = chosen.seconds;
    result.loss = chosen.loss;
    return result;
  }

  // More evaluations than the two, where they are cheap and the steps stay enough.
  std::int64_t evaluations(std::int64_t eof) const {
    if (inputs_.data.dev_documents == 0) return 0;
    const std::int64_t steps = affordable_steps(eof, kFewestEvaluations);
    std::int64_t count =
        std::clamp<std::int64_t>(steps / 20 + 1, kFewestEvaluations, kMostEvaluations);
    const Price paid = price(eof);
    const double allowed =
        kEvaluationShare * (counts_ ? static_cast<double>(steps) * paid.step : capacity_);
    while (count > kFewestEvaluations && (paid.evaluations(count) > allowed ||
                                          !enough(affordable_steps(eof, count)))) {
      --count;
    }
    return count;
  }

  void settle(types::FreezePlan& plan) const {
    plan.evaluations = evaluations(plan.eof);
    plan.steps = affordable_steps(plan.eof, std::max(plan.evaluations, kFewestEvaluations));
    plan.most_steps = most_steps_;
    if (inputs_.max_loss_increase) {
      plan.steps = std::min(plan.steps, plan.candidates[index(plan.eof)].steps);
      plan.most_steps = std::max<std::int64_t>(1, plan.steps);
    }
    plan.epochs = static_cast<double>(plan.steps) / steps_per_epoch_;
    plan.tokens = std::llround(plan.epochs * static_cast<double>(inputs_.data.real_tokens));
    plan.learning_rate =
        plan.candidates[index(plan.eof)].learning_rate;
    plan.predicted_seconds = run_seconds(plan.eof, plan.steps, plan.evaluations);
    plan.predicted_flops = run_flops(plan.eof, plan.steps, plan.evaluations);
    plan.full_step_seconds = plan.candidates.front().step_seconds;
    plan.full_step_flops = plan.candidates.front().step_flops;
    if (!counts_ && !in_seconds_) {
      plan.budget_flops =
          std::max(0.0, capacity_ - plan.predicted_flops.fixed - plan.predicted_flops.evaluation);
    }
  }

  void price_plan(types::FreezePlan& plan) const {
    const double bytes = cost::peak_bytes(inputs_.cost, shape_, plan.eof, memory_options(plan.steps));
    if (bytes > 0.0) plan.memory_bytes = bytes;
    if (!inputs_.rates) return;
    plan.footprint = cost::footprint(*inputs_.rates, plan.predicted_seconds.total());
    plan.full_footprint = cost::footprint(*inputs_.rates, run_seconds(0, plan.steps, plan.evaluations).total());
  }

  // Rounded up so that the text of the amount, which is what a person types, still works.
  types::Budget smallest(std::int64_t eof) const {
    types::Budget budget = inputs_.budget;
    if (counts_) {
      budget.amount = 1.0;
      if (budget.unit == BudgetUnit::kTokens) budget.amount = std::ceil(tokens_per_step());
      if (budget.unit == BudgetUnit::kEpochs)
        budget.amount = std::ceil(1000.0 / steps_per_epoch_) / 1000.0;
      return budget;
    }
    const Price paid = price(eof);
    const double steps = static_cast<double>(required_) + 0.01;
    const double first = std::min(steps, steps_per_epoch_);
    const double needed =
        paid.fixed + paid.evaluations(kFewestEvaluations) + first * paid.step + (steps - first) * paid.later_step;
    if (in_seconds_) {
      const double seconds = kHeadroom * needed / (1.0 - kTimeMargin);
      budget.amount = seconds > 600.0 ? 60.0 * std::ceil(seconds / 60.0) : std::ceil(seconds);
      if (inputs_.budget.unit != BudgetUnit::kSeconds) budget.amount = rounded_up(seconds * inputs_.budget.amount / clock_seconds_);
    } else if (budget.unit == BudgetUnit::kShare) {
      const double full = budget_flops(shape_, inputs_) / inputs_.budget.amount;
      budget.amount = std::ceil(1000.0 * needed / full) / 1000.0;
    } else {
      budget.amount = rounded_up(needed);
    }
    return budget;
  }

  // To three digits.
  static double rounded_up(double amount) {
    const double digit = std::pow(10.0, std::floor(std::log10(amount)) - 2.0);
    return std::ceil(amount / digit) * digit;
  }

  // Every rule's choice, and of the rule in use what it would be in each replicate.
  std::vector<types::RuleChoice> choices(const types::LayerProfile& profile,
                                         const types::FreezePlan& plan) const {
    std::vector<types::RuleChoice> choices = all_choices(profile, inputs_.parameters);
    if (inputs_.rule == types::Rule::kFixed || inputs_.rule == types::Rule::kFraction) {
      choices.push_back(choose_with_stability(inputs_.rule, inputs_.parameters, deviation_));
    } else if (inputs_.rule == types::Rule::kBudget) {
      std::vector<std::int64_t> eofs =
          replicate_choices(types::Rule::kMaxGain, inputs_.parameters, deviation_);
      if (!counts_) {
        for (std::int64_t& eof : eofs) eof = shallowest_that_fits(plan.candidates, eof);
      }
      choices.push_back(of_plan(plan, eofs));
    } else if (inputs_.rule == types::Rule::kPredicted) {
      choices.push_back(of_plan(plan, prior_choices(plan)));
    }
    return choices;
  }

  types::RuleChoice of_plan(const types::FreezePlan& plan, const std::vector<std::int64_t>& replicates) const {
    types::RuleChoice choice;
    choice.rule = plan.rule;
    choice.measure = deviation_.measure;
    choice.eof = plan.eof;
    return with_stability(choice, replicates, shape_.blocks);
  }

  // What each resampled fit of the prior would choose.
  std::vector<std::int64_t> prior_choices(const types::FreezePlan& plan) const {
    std::vector<std::vector<double>> ratios;  // [candidate][replicate]
    for (const auto& candidate : plan.candidates) {
      ratios.push_back(predictor_->replicate_ratios(point(candidate.eof, candidate.steps)));
    }
    std::vector<std::int64_t> eofs;
    for (std::size_t r = 0; r < ratios.front().size(); ++r) {
      std::vector<double> one;
      for (const auto& all : ratios) one.push_back(all[r]);
      if (const auto best = best_predicted(plan.candidates, one)) eofs.push_back(*best);
    }
    return eofs;
  }

  std::string reason(const types::FreezePlan& plan, std::int64_t start) const {
    const std::string frozen = plan.eof == 0
                                   ? (arm(0) == types::Arm::kLora ? "no block is frozen" : "everything is trained")
                                   : "the embedding and blocks 0-" + std::to_string(plan.eof - 1) +
                                         " of " + std::to_string(shape_.blocks) + " are frozen";
    if (inputs_.rule == types::Rule::kPredicted) return frozen + ": " + predicted_reason(plan);
    if (inputs_.rule != types::Rule::kBudget) {
      return frozen + ": rule " + core::enum_to_string(inputs_.rule) + why(inputs_.rule) +
             (plan.smallest_budget ? ", but the budget does not pay for " +
                                         std::to_string(counts_ ? 1 : required_) + " steps there"
                                   : after_cap(plan));
    }
    const std::string from =
        start == 0 ? "no block lowers the deviation clearly, so the search starts at 0"
                   : "the deviation falls most in block " + std::to_string(start - 1) +
                         " (max-gain, eof-layer " + std::to_string(start) + ")";
    if (counts_ && !plan.smallest_budget)
      return frozen + ": " + from + ", and a budget in " + core::enum_to_string(plan.budget.unit) +
             " does not depend on depth";
    if (plan.smallest_budget)
      return frozen + ": " + from + ", but the budget does not pay for " +
             std::to_string(counts_ ? 1 : required_) + " steps there";
    if (plan.eof == 0)
      return frozen + ": " + from + ", and the budget pays for " + std::to_string(plan.steps) +
             " steps of full fine-tuning" + after_cap(plan);
    return frozen + ": " + from + ", and towards the shallow blocks the budget pays for at least " +
           std::to_string(required_) + " steps down to eof-layer " + std::to_string(plan.eof) +
           after_cap(plan);
  }

  std::string predicted_reason(const types::FreezePlan& plan) const {
    if (plan.smallest_budget) {
      return "the budget does not pay for " + std::to_string(counts_ ? 1 : required_) + " steps at any cut";
    }
    const types::Range loss = plan.candidates[index(plan.eof)].loss.value_or(types::Range{});
    const auto number = [this](double value) {
      return before_ ? core::format_number(value, 3) : core::format_number(100.0 * value, 3) + " %";
    };
    std::string text = inputs_.max_loss_increase
                           ? "the least time that is predicted to end within " + core::format_number(*inputs_.max_loss_increase) +
                                 " of full fine-tuning"
                           : "of what the budget pays for, the lowest predicted loss or as good as that";
    text += ", " + number(loss.value) + " (" + number(loss.low) + " to " + number(loss.high) + ")" +
            (before_ ? ", from " + number(before_->loss) + " before" : " of the loss before");
    if (plan.eof > 0) text += ", full fine-tuning " + number(full_loss());
    return text + after_cap(plan);
  }

  // With the same budget.
  double full_loss() const {
    const double ratio = predictor_->ratio(point(0, affordable_steps(0, kFewestEvaluations)));
    return before_ ? before_->loss * ratio : ratio;
  }

  static std::string why(types::Rule rule) {
    switch (rule) {
      case types::Rule::kMaxGain:
        return ", the block of the largest drop in deviation";
      case types::Rule::kMinDeviation:
        return ", the shallowest space within one error of the smallest deviation";
      case types::Rule::kThreshold:
        return ", the first space by which most of the reduction is made";
      default:
        return ", as asked";
    }
  }

  std::string after_cap(const types::FreezePlan& plan) const {
    if (counts_ || inputs_.max_loss_increase || plan.steps < most_steps_) return "";
    return "; " + core::format_number(inputs_.max_epochs) +
           " epochs are the most that are planned, so some of the budget stays unused";
  }

  const types::ModelShape& shape_;
  const PlanInputs& inputs_;
  const types::Deviation& deviation_;
  bool counts_ = false;
  bool in_seconds_ = false;
  double clock_seconds_ = 0.0;  // of a budget by the clock
  std::optional<Predictor> predictor_;
  std::optional<LossBefore> before_;
  double steps_per_epoch_ = 1.0;
  std::int64_t most_steps_ = 1;
  std::int64_t required_ = 1;
  double capacity_ = 0.0;
};

}  // namespace

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
