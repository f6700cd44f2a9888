#include "planner.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "salf/core/error.h"
#include "salf/core/text.h"

namespace salf::policy {

std::optional<LossBefore> Planner::known_loss_before(const types::LayerProfile& profile) const {
  if (!predictor_ || profile.norm != "final" || profile.positions != "supervised") return std::nullopt;
  return loss_before(profile);
}

std::vector<types::Candidate> Planner::candidates() const {
  std::vector<types::Candidate> all;
  for (std::int64_t eof = 0; eof < shape_.blocks; ++eof) all.push_back(candidate(eof));
  if (predictor_) predict(all);
  for (types::Candidate& candidate : all) candidate.fits = candidate.fits && !too_large(candidate);
  mark_pareto(all);
  return all;
}

bool Planner::too_large(const types::Candidate& candidate) const {
  return inputs_.max_memory_bytes && candidate.memory_bytes && *candidate.memory_bytes > *inputs_.max_memory_bytes;
}

bool Planner::affordable(const types::Candidate& candidate) const { return enough(affordable_steps(candidate.eof, kFewestEvaluations)); }

types::Arm Planner::arm(std::int64_t eof) const {
  if (!shape_.block_trained_parameters.empty()) return types::Arm::kLora;
  return eof == 0 ? types::Arm::kFull : types::Arm::kFreeze;
}

ArmPoint Planner::point(std::int64_t eof, std::int64_t steps) const {
  const auto supervised = static_cast<double>(inputs_.data.supervised_tokens);
  return {arm(eof), eof, supervised * static_cast<double>(steps) / steps_per_epoch_,
          supervised};
}

types::Range Planner::loss_range(const ArmPoint& at) const {
  const types::Range ratio = predictor_->ratio_range(at);
  if (!before_) return ratio;
  const double error = std::isfinite(before_->standard_error) ? before_->standard_error : 0.0;
  const double half = std::hypot(before_->loss * (ratio.high - ratio.value), kNormal90 * ratio.value * error);
  const double value = before_->loss * ratio.value;
  return {value, value - half, value + half};
}

void Planner::predict(std::vector<types::Candidate>& all) const {
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

void Planner::shorten(types::Candidate& candidate, const ArmPoint& full) const {
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

std::int64_t Planner::choose(const std::vector<types::Candidate>& all, std::int64_t start) const {
  if (inputs_.rule == types::Rule::kPredicted) {
    const std::optional<std::int64_t> best = best_predicted(all, losses(all));
    return best ? *best : cheapest_to_start(all);
  }
  return counts_ || inputs_.rule != types::Rule::kBudget ? start : shallowest_that_fits(all, start);
}

std::vector<double> Planner::losses(const std::vector<types::Candidate>& all) const {
  std::vector<double> ratios;
  for (const auto& candidate : all) ratios.push_back(predictor_->ratio(point(candidate.eof, candidate.steps)));
  return ratios;
}

std::optional<std::int64_t> Planner::best_predicted(const std::vector<types::Candidate>& all, const std::vector<double>& ratios) const {
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

std::int64_t Planner::cheapest_to_start(const std::vector<types::Candidate>& all) const {
  for (const auto& candidate : all) {
    if (affordable(candidate)) refuse_limits(all, std::nullopt);
  }
  return shape_.blocks - 1;
}

void Planner::refuse_limits(const std::vector<types::Candidate>& all, std::optional<std::int64_t> chosen) const {
  double memory = std::numeric_limits<double>::infinity();
  for (const auto& candidate : all) {
    if (affordable(candidate)) memory = std::min(memory, candidate.memory_bytes.value_or(memory));
  }
  std::string text = "no plan is within all limits";
  if (inputs_.max_memory_bytes) {
    if (chosen) {
      text += "; " + std::to_string(*chosen) + " frozen blocks need " +
              core::format_bytes(static_cast<std::uint64_t>(all[index(*chosen)].memory_bytes.value_or(0.0)));
    }
    text += "; of the cuts that the budget pays for the smallest needs " + core::format_bytes(static_cast<std::uint64_t>(memory)) +
            " of memory, --max-memory is " + core::format_bytes(static_cast<std::uint64_t>(*inputs_.max_memory_bytes)) +
            " (a smaller --batch-tokens needs less)";
  }
  if (inputs_.max_loss_increase) {
    text += "; --max-loss-increase " + core::format_number(*inputs_.max_loss_increase) + " of full fine-tuning with this budget";
  }
  throw Error(ErrorKind::kBudget, text);
}

std::int64_t Planner::shallowest_that_fits(const std::vector<types::Candidate>& all, std::int64_t start) {
  std::int64_t eof = start;
  while (eof > 0 && all[index(eof)].fits && all[index(eof - 1)].fits) --eof;
  return eof;
}

types::Alternative Planner::alternative(const types::LayerProfile& profile, double factor) const {
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

std::vector<types::RuleChoice> Planner::choices(const types::LayerProfile& profile,
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

types::RuleChoice Planner::of_plan(const types::FreezePlan& plan, const std::vector<std::int64_t>& replicates) const {
  types::RuleChoice choice;
  choice.rule = plan.rule;
  choice.measure = deviation_.measure;
  choice.eof = plan.eof;
  return with_stability(choice, replicates, shape_.blocks);
}

std::vector<std::int64_t> Planner::prior_choices(const types::FreezePlan& plan) const {
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

}  // namespace salf::policy
