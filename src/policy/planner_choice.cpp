#include <algorithm>
#include <cmath>
#include <iterator>
#include <limits>
#include <utility>

#include "core/error.h"
#include "core/text.h"
#include "policy/planner.h"

namespace salf::policy {

const types::Candidate& Planner::choose(const Candidates& all) const {
  if (limits_.rule == types::Rule::kPredicted) {
    const Candidate* const best = best_predicted(options(all));
    return best != nullptr ? *best : cheapest_to_start(all);
  }
  const bool moves = limits_.rule == types::Rule::kBudget && !budget_.counted();
  return moves ? shallowest_that_fits(all, start_) : *all.at(methods_.front().method(), start_);
}

std::vector<Planner::Option> Planner::options(const Candidates& all) const {
  std::vector<Option> options;
  for (const Candidate& one : all) {
    if (one.fits) options.push_back({&one, predictor_->ratio(point(*one.arm, one.cut, one.steps))});
  }
  return options;
}

const types::Candidate* Planner::best_predicted(const std::vector<Option>& options) const {
  if (options.empty()) return nullptr;
  const auto quicker = [](const Option& a, const Option& b) {
    return a.candidate->seconds < b.candidate->seconds;
  };
  if (limits_.aim == types::Aim::kSmallest) return smallest(options);
  if (saves()) return std::min_element(options.begin(), options.end(), quicker)->candidate;
  const double best =
      std::min_element(options.begin(), options.end(), [](const Option& a, const Option& b) {
        return a.ratio < b.ratio;
      })->ratio;
  std::vector<Option> equals;
  std::copy_if(options.begin(), options.end(), std::back_inserter(equals),
      [best](const Option& one) { return one.ratio <= best + kSameLoss; });
  const double longest =
      kSameTime * std::min_element(equals.begin(), equals.end(), quicker)->candidate->seconds;
  const auto slow = [longest](const Option& one) { return one.candidate->seconds > longest; };
  equals.erase(std::remove_if(equals.begin(), equals.end(), slow), equals.end());
  const Candidate& chosen =
      *std::min_element(equals.begin(), equals.end(), [](const Option& a, const Option& b) {
        return std::pair(a.candidate->cut, a.ratio) < std::pair(b.candidate->cut, b.ratio);
      })->candidate;
  return budget_.deterministic() ? &chosen : shallowest_untold(options, best, chosen);
}

// Within kSameMemory of the least memory the quickest.
const types::Candidate* Planner::smallest(const std::vector<Option>& options) const {
  const auto bytes = [](const Option& one) { return one.candidate->memory_bytes.value_or(0.0); };
  const double least = bytes(*std::min_element(options.begin(), options.end(),
      [&bytes](const Option& a, const Option& b) { return bytes(a) < bytes(b); }));
  const auto place = [&](const Option& one) {
    return std::pair(bytes(one) > kSameMemory * least, one.candidate->seconds);
  };
  return std::min_element(options.begin(), options.end(),
      [&place](const Option& a, const Option& b) { return place(a) < place(b); })
      ->candidate;
}

// In the same time the shallowest that the prediction cannot tell from the best: what a cut costs
// is what it knows least. Of both methods there the lighter one.
const types::Candidate* Planner::shallowest_untold(
    const std::vector<Option>& options, double best, const Candidate& chosen) const {
  const double told_apart = best + std::max(kSameLoss, predictor_->error_unseen());
  const double longest = kSameTime * chosen.seconds;
  const auto weight = [](const Candidate& one) {
    return std::pair(one.cut, one.trained_parameters);
  };
  const Candidate* lightest = &chosen;
  for (const auto& [candidate, ratio] : options) {
    const bool close = ratio <= told_apart && candidate->seconds <= longest;
    if (close && weight(*candidate) < weight(*lightest)) lightest = candidate;
  }
  return lightest;
}

const types::Candidate& Planner::cheapest_to_start(const Candidates& all) const {
  if (std::any_of(all.begin(), all.end(),
          [this](const Candidate& one) { return prices(one).affordable(one.cut); }))
    refuse_limits(all, nullptr);
  const Prices& cheapest =
      *std::min_element(methods_.begin(), methods_.end(), [](const Prices& a, const Prices& b) {
        const std::int64_t deepest = a.shape().blocks - 1;
        return a.smallest(deepest).amount < b.smallest(deepest).amount;
      });
  return *all.at(cheapest.method(), cheapest.shape().blocks - 1);
}

void Planner::refuse_limits(const Candidates& all, const Candidate* chosen) const {
  const auto bytes = [](double value) {
    return core::format_bytes(static_cast<std::uint64_t>(value));
  };
  double memory = std::numeric_limits<double>::infinity();
  for (const Candidate& one : all) {
    if (prices(one).affordable(one.cut))
      memory = std::min(memory, one.memory_bytes.value_or(memory));
  }
  std::string text = "no plan is within all limits";
  if (std::isfinite(memory_limit())) {
    const bool asked = memory_limit() == limits_.max_memory_bytes;
    if (chosen != nullptr)
      text += "; " + std::to_string(chosen->cut) + " frozen blocks need " +
              bytes(chosen->memory_bytes.value_or(0.0));
    text += "; of the cuts that the budget pays for the smallest needs " + bytes(memory) +
            " of memory, " + (asked ? "--max-memory is " : "this process may hold ") +
            bytes(memory_limit()) + " (a smaller --batch-tokens needs less)";
  }
  if (saves()) {
    text += "; none is predicted to end within " +
            core::format_number(loss_scale() * (*limit_ - reference())) +
            " (--max-loss-increase) of what this budget reaches";
  }
  throw Error(ErrorKind::kBudget, text);
}

const types::Candidate& Planner::shallowest_that_fits(
    const Candidates& all, std::int64_t start) const {
  const auto at = [&](std::int64_t cut) -> const Candidate& {
    return *all.at(methods_.front().method(), cut);
  };
  while (start > 0 && at(start).fits && at(start - 1).fits) --start;
  return at(start);
}

types::AimChoice Planner::choice(types::Aim aim) const {
  Limits limits = limits_;
  limits.aim = aim;
  types::AimChoice result;
  result.aim = aim;
  const Planner planner(evidence_, budget_, limits);
  const Candidates all = planner.candidates();
  const Candidate* const chosen = planner.best_predicted(planner.options(all));
  if (chosen == nullptr) return result;
  result.fits = true;
  result.arm = chosen->arm;
  result.cut = chosen->cut;
  result.steps = chosen->steps;
  result.seconds = chosen->seconds;
  result.memory_bytes = chosen->memory_bytes;
  result.loss = chosen->loss;
  return result;
}

types::Alternative Planner::alternative(double factor) const {
  Limits limits = limits_;
  limits.aim = types::Aim::kBest;
  types::Alternative result;
  result.factor = factor;
  result.budget = budget_.times(factor);
  const Planner planner(evidence_, result.budget, limits);
  const Candidates all = planner.candidates();
  if (std::none_of(all.begin(), all.end(), [](const Candidate& one) { return one.fits; }))
    return result;
  const Candidate& chosen = planner.choose(all);
  result.fits = chosen.fits;
  if (!chosen.fits) return result;
  result.arm = chosen.arm;
  result.cut = chosen.cut;
  result.steps = chosen.steps;
  result.seconds = chosen.seconds;
  result.loss = chosen.loss;
  return result;
}

std::vector<types::RuleChoice> Planner::choices(const Candidates& all, const Candidate& chosen,
    const std::vector<const Candidate*>& by_prior) const {
  std::vector<types::RuleChoice> choices = all_choices(evidence_.profile, limits_.parameters);
  if (types::reads_profile(limits_.rule)) return choices;
  const std::int64_t blocks = evidence_.profile.shape.blocks;
  if (types::is_settled(limits_.rule)) {
    choices.push_back(with_stability({limits_.rule, limits_.measure, start_}, {start_}, blocks));
    return choices;
  }
  std::vector<std::int64_t> cuts;
  if (limits_.rule == types::Rule::kBudget) {
    cuts = replicate_choices(types::Rule::kMaxGain, limits_.parameters, *deviation_);
    if (!budget_.counted()) {
      for (std::int64_t& cut : cuts) cut = shallowest_that_fits(all, cut).cut;
    }
  } else {
    for (const Candidate* const one : by_prior) cuts.push_back(one->cut);
  }
  choices.push_back(with_stability({limits_.rule, limits_.measure, chosen.cut}, cuts, blocks));
  return choices;
}

std::vector<const types::Candidate*> Planner::prior_choices(const Candidates& all) const {
  if (limits_.rule != types::Rule::kPredicted) return {};
  std::vector<Option> options = this->options(all);
  std::vector<std::vector<double>> ratios;  // [option][replicate]
  for (const auto& [one, ratio] : options)
    ratios.push_back(predictor_->replicate_ratios(point(*one->arm, one->cut, one->steps)));
  std::vector<const Candidate*> chosen;
  for (std::size_t r = 0; !ratios.empty() && r < ratios.front().size(); ++r) {
    for (std::size_t i = 0; i < options.size(); ++i) options[i].ratio = ratios[i][r];
    chosen.push_back(best_predicted(options));
  }
  return chosen;
}

}  // namespace salf::policy
