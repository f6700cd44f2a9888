#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

#include "core/error.h"
#include "core/text.h"
#include "policy/advice.h"
#include "policy/planner.h"

namespace salf::policy {

Planner::Candidates Planner::candidates() const {
  Candidates all;
  for (const Prices& method : methods_) {
    for (std::int64_t cut = 0; cut < method.shape().blocks; ++cut)
      all.push_back(method.candidate(cut));
  }
  if (predictor_) predict(all);
  for (types::Candidate& candidate : all) candidate.fits = candidate.fits && !too_large(candidate);
  mark_pareto(all);
  return all;
}

const Prices& Planner::prices(const types::Candidate& candidate) const {
  return candidate.arm == types::Arm::kLora ? methods_.back() : methods_.front();
}

ArmPoint Planner::full() const {
  const types::Candidate at_no_cut = methods_.front().candidate(0);
  return point(at_no_cut, at_no_cut.steps);
}

bool Planner::too_large(const types::Candidate& candidate) const {
  return inputs_.max_memory_bytes && candidate.memory_bytes &&
         *candidate.memory_bytes > *inputs_.max_memory_bytes;
}

ArmPoint Planner::point(const types::Candidate& candidate, std::int64_t steps) const {
  const auto epoch = static_cast<double>(inputs_.data.real_tokens);
  return {*candidate.arm, candidate.cut,
      epoch * static_cast<double>(steps) / methods_.front().steps_per_epoch(), epoch};
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

void Planner::predict(Candidates& all) const {
  const double scale = before_ ? before_->loss : 1.0;
  const ArmPoint compared = full();
  for (types::Candidate& candidate : all) {
    if (inputs_.max_loss_increase) shorten(candidate);
    const ArmPoint at = point(candidate, candidate.steps);
    candidate.loss = loss_range(at);
    const types::Range delta = predictor_->delta_range(at, compared);
    candidate.delta = types::Range{scale * delta.value, scale * delta.low, scale * delta.high};
  }
}

void Planner::shorten(types::Candidate& candidate) const {
  const double limit =
      predictor_->ratio(full()) + *inputs_.max_loss_increase / (before_ ? before_->loss : 1.0);
  const auto close = [&](std::int64_t steps) {
    return predictor_->ratio(point(candidate, steps)) <= limit;
  };
  if (!close(candidate.steps)) {
    candidate.fits = false;
    return;
  }
  std::int64_t low = std::min(candidate.steps, prices(candidate).required_steps()) - 1;
  std::int64_t high = candidate.steps;
  while (low + 1 < high) {
    const std::int64_t middle = low + (high - low) / 2;
    (close(middle) ? high : low) = middle;
  }
  prices(candidate).fill(candidate, high);
}

std::size_t Planner::choose(const Candidates& all, std::int64_t start) const {
  if (inputs_.rule == types::Rule::kPredicted) {
    const std::optional<std::size_t> best = best_predicted(all, losses(all));
    return best ? *best : cheapest_to_start(all);
  }
  const bool moves = inputs_.rule == types::Rule::kBudget && !methods_.front().counts();
  return static_cast<std::size_t>(moves ? shallowest_that_fits(all, start) : start);
}

std::vector<double> Planner::losses(const Candidates& all) const {
  std::vector<double> ratios;
  for (const auto& candidate : all)
    ratios.push_back(predictor_->ratio(point(candidate, candidate.steps)));
  return ratios;
}

std::optional<std::size_t> Planner::best_predicted(
    const Candidates& all, const std::vector<double>& ratios) const {
  std::optional<std::size_t> best;
  for (std::size_t i = 0; i < all.size(); ++i) {
    if (!all[i].fits) continue;
    const bool better = !best || (inputs_.max_loss_increase ? all[i].seconds < all[*best].seconds
                                                            : ratios[i] < ratios[*best]);
    if (better) best = i;
  }
  if (!best || inputs_.max_loss_increase) return best;
  std::vector<std::size_t> equals;
  for (std::size_t i = 0; i < all.size(); ++i) {
    if (all[i].fits && ratios[i] <= ratios[*best] + kSameLoss) equals.push_back(i);
  }
  const auto quicker = [&all](std::size_t a, std::size_t b) {
    return all[a].seconds < all[b].seconds;
  };
  const double least = all[*std::min_element(equals.begin(), equals.end(), quicker)].seconds;
  const auto slow = [&](std::size_t i) { return all[i].seconds > kSameTime * least; };
  equals.erase(std::remove_if(equals.begin(), equals.end(), slow), equals.end());
  std::size_t chosen =
      *std::min_element(equals.begin(), equals.end(), [&](std::size_t a, std::size_t b) {
        return std::make_pair(all[a].cut, ratios[a]) < std::make_pair(all[b].cut, ratios[b]);
      });
  if (!methods_.front().in_seconds()) return chosen;
  // In the same time the shallowest that the prediction cannot tell from the best: what a cut costs
  // is what it knows least. Of both methods there the lighter one.
  const double told_apart = ratios[*best] + std::max(kSameLoss, predictor_->error_unseen());
  const double longest = kSameTime * all[chosen].seconds;
  for (std::size_t i = 0; i < all.size(); ++i) {
    const bool close = all[i].fits && ratios[i] <= told_apart && all[i].seconds <= longest;
    const auto weight = [&all](std::size_t one) {
      return std::make_pair(all[one].cut, all[one].trained_parameters);
    };
    if (close && weight(i) < weight(chosen)) chosen = i;
  }
  return chosen;
}

std::size_t Planner::cheapest_to_start(const Candidates& all) const {
  if (std::any_of(all.begin(), all.end(),
          [this](const auto& candidate) { return affordable(candidate); })) {
    refuse_limits(all, std::nullopt);
  }
  const auto needs = [this](const types::Candidate& candidate) {
    return prices(candidate).smallest(candidate.cut).amount;
  };
  std::size_t cheapest = static_cast<std::size_t>(methods_.front().shape().blocks) - 1;
  if (methods_.size() > 1 && needs(all.back()) < needs(all[cheapest])) cheapest = all.size() - 1;
  return cheapest;
}

void Planner::refuse_limits(const Candidates& all, std::optional<std::size_t> chosen) const {
  double memory = std::numeric_limits<double>::infinity();
  for (const auto& candidate : all) {
    if (affordable(candidate)) memory = std::min(memory, candidate.memory_bytes.value_or(memory));
  }
  std::string text = "no plan is within all limits";
  if (inputs_.max_memory_bytes) {
    if (chosen) {
      text +=
          "; " + std::to_string(all[*chosen].cut) + " frozen blocks need " +
          core::format_bytes(static_cast<std::uint64_t>(all[*chosen].memory_bytes.value_or(0.0)));
    }
    text += "; of the cuts that the budget pays for the smallest needs " +
            core::format_bytes(static_cast<std::uint64_t>(memory)) +
            " of memory, --max-memory is " +
            core::format_bytes(static_cast<std::uint64_t>(*inputs_.max_memory_bytes)) +
            " (a smaller --batch-tokens needs less)";
  }
  if (inputs_.max_loss_increase) {
    text += "; --max-loss-increase " + core::format_number(*inputs_.max_loss_increase) +
            " of full fine-tuning with this budget";
  }
  throw Error(ErrorKind::kBudget, text);
}

std::int64_t Planner::shallowest_that_fits(const Candidates& all, std::int64_t start) {
  auto cut = static_cast<std::size_t>(start);
  while (cut > 0 && all[cut].fits && all[cut - 1].fits) --cut;
  return static_cast<std::int64_t>(cut);
}

types::Alternative Planner::alternative(double factor) const {
  PlanInputs other = inputs_;
  other.budget.amount *= factor;
  other.budget_seconds *= factor;
  if (other.budget.unit == types::BudgetUnit::kSteps ||
      other.budget.unit == types::BudgetUnit::kTokens) {
    other.budget.amount = std::max(1.0, std::floor(other.budget.amount));
  }
  types::Alternative result;
  result.factor = factor;
  result.budget = other.budget;
  other.max_loss_increase.reset();
  const Planner planner(profile_, other);
  const Candidates all = planner.candidates();
  if (std::none_of(all.begin(), all.end(), [](const auto& candidate) { return candidate.fits; }))
    return result;
  const std::int64_t start = choose_cut(inputs_.rule, inputs_.parameters, deviation_);
  const types::Candidate& chosen = all[planner.choose(all, start)];
  result.fits = chosen.fits;
  if (!chosen.fits) return result;
  result.arm = chosen.arm;
  result.cut = chosen.cut;
  result.steps = chosen.steps;
  result.seconds = chosen.seconds;
  result.loss = chosen.loss;
  return result;
}

std::vector<types::RuleChoice> Planner::choices(
    const types::FreezePlan& plan, const std::vector<std::size_t>& by_prior) const {
  std::vector<types::RuleChoice> choices = all_choices(profile_, inputs_.parameters);
  if (inputs_.rule == types::Rule::kFixed || inputs_.rule == types::Rule::kFraction) {
    choices.push_back(choose_with_stability(inputs_.rule, inputs_.parameters, deviation_));
  } else if (inputs_.rule == types::Rule::kBudget) {
    std::vector<std::int64_t> eofs =
        replicate_choices(types::Rule::kMaxGain, inputs_.parameters, deviation_);
    if (!methods_.front().counts()) {
      for (std::int64_t& cut : eofs) cut = shallowest_that_fits(plan.candidates, cut);
    }
    choices.push_back(of_plan(plan, eofs));
  } else if (inputs_.rule == types::Rule::kPredicted) {
    std::vector<std::int64_t> eofs;
    for (const std::size_t place : by_prior) eofs.push_back(plan.candidates[place].cut);
    choices.push_back(of_plan(plan, eofs));
  }
  return choices;
}

types::RuleChoice Planner::of_plan(
    const types::FreezePlan& plan, const std::vector<std::int64_t>& replicates) const {
  types::RuleChoice choice;
  choice.rule = plan.rule;
  choice.measure = deviation_.measure;
  choice.cut = plan.cut;
  return with_stability(choice, replicates, plan.shape.blocks);
}

std::vector<std::size_t> Planner::prior_choices(const Candidates& all) const {
  if (inputs_.rule != types::Rule::kPredicted) return {};
  std::vector<std::vector<double>> ratios;  // [candidate][replicate]
  for (const auto& candidate : all)
    ratios.push_back(predictor_->replicate_ratios(point(candidate, candidate.steps)));
  std::vector<std::size_t> chosen;
  for (std::size_t r = 0; r < ratios.front().size(); ++r) {
    std::vector<double> one;
    for (const auto& of_candidate : ratios) one.push_back(of_candidate[r]);
    if (const auto best = best_predicted(all, one)) chosen.push_back(*best);
  }
  return chosen;
}

}  // namespace salf::policy
