#include "policy/rules.h"

#include <algorithm>
#include <cmath>

#include "core/error.h"
#include "core/statistics.h"
#include "core/text.h"

namespace salf::policy {
namespace {

using types::Rule;

std::int64_t blocks_of(const types::Deviation& deviation) {
  return static_cast<std::int64_t>(deviation.deviation.size()) - 1;
}

// A standard error that is not known (fewer than two documents) makes no ties.
double error_or_zero(const std::vector<double>& errors, std::size_t index) {
  return index < errors.size() && std::isfinite(errors[index]) ? errors[index] : 0.0;
}

std::int64_t max_gain(const types::Deviation& deviation) {
  const std::vector<double>& gain = deviation.gain;
  if (gain.size() < 2) return 0;
  const std::size_t searched = gain.size() - 1;
  const auto largest = static_cast<std::size_t>(
      std::max_element(gain.begin(), gain.begin() + static_cast<std::ptrdiff_t>(searched)) -
      gain.begin());
  const double error = error_or_zero(deviation.gain_error, largest);
  if (!(gain[largest] > error)) return 0;
  for (std::size_t block = 0; block < searched; ++block) {
    if (gain[block] >= gain[largest] - error) return static_cast<std::int64_t>(block) + 1;
  }
  return 0;
}

std::int64_t min_deviation(const types::Deviation& deviation) {
  const std::vector<double>& d = deviation.deviation;
  if (d.size() < 3) return 0;
  const auto last = d.end() - 1;
  const auto smallest = static_cast<std::size_t>(std::min_element(d.begin() + 1, last) - d.begin());
  const double limit = d[smallest] + error_or_zero(deviation.standard_error, smallest);
  const auto first =
      std::find_if(d.begin() + 1, last, [limit](double value) { return value <= limit; });
  return first - d.begin();
}

std::int64_t threshold(const types::Deviation& deviation, double tau) {
  const std::vector<double>& d = deviation.deviation;
  const double total = d.front() - d.back();
  if (!(total > 0.0)) return 0;
  const std::int64_t last = blocks_of(deviation) - 1;
  for (std::int64_t space = 0; space <= last; ++space) {
    if (d.front() - d[static_cast<std::size_t>(space)] >= (1.0 - tau) * total) return space;
  }
  return last;
}

// A replicate is a curve without errors of its own: the measured ones stand for how well each is
// known.
types::Deviation replicate_of(
    const types::Deviation& deviation, const std::vector<double>& values) {
  types::Deviation replicate;
  replicate.measure = deviation.measure;
  replicate.deviation = values;
  replicate.standard_error = deviation.standard_error;
  replicate.gain_error = deviation.gain_error;
  for (std::size_t i = 0; i + 1 < values.size(); ++i)
    replicate.gain.push_back(values[i] - values[i + 1]);
  return replicate;
}

std::int64_t within_model(std::int64_t cut, std::int64_t blocks, const char* option) {
  if (cut >= 0 && cut < blocks) return cut;
  throw Error(ErrorKind::kUsage,
      std::string(option) + ": expected an eof-layer of 0 … " + std::to_string(blocks - 1) +
          " for a model of " + std::to_string(blocks) + " blocks, got " + std::to_string(cut));
}

void check_share(double value, const char* option) {
  if (value >= 0.0 && value <= 1.0) return;
  throw Error(ErrorKind::kUsage,
      std::string(option) + ": expected 0 to 1, got " + core::format_number(value));
}

}  // namespace

std::int64_t settled_cut(Rule rule, const RuleParameters& parameters, std::int64_t blocks) {
  if (rule == Rule::kFixed) return within_model(parameters.fixed, blocks, "--eof");
  check_share(parameters.fraction, "--fraction");
  return within_model(
      std::llround(parameters.fraction * static_cast<double>(blocks)), blocks, "--fraction");
}

std::int64_t choose_cut(
    Rule rule, const RuleParameters& parameters, const types::Deviation& deviation) {
  switch (rule) {
    case Rule::kMinDeviation: return min_deviation(deviation);
    case Rule::kThreshold:
      check_share(parameters.tau, "--tau");
      return threshold(deviation, parameters.tau);
    case Rule::kFixed:
    case Rule::kFraction: return settled_cut(rule, parameters, blocks_of(deviation));
    case Rule::kMaxGain:
    case Rule::kBudget:
    case Rule::kPredicted: return max_gain(deviation);
  }
  throw Error(ErrorKind::kInternal, "unknown rule");
}

std::vector<std::int64_t> replicate_choices(
    Rule rule, const RuleParameters& parameters, const types::Deviation& deviation) {
  std::vector<std::int64_t> choices;
  for (const auto& values : deviation.replicates) {
    choices.push_back(choose_cut(rule, parameters, replicate_of(deviation, values)));
  }
  return choices;
}

CutRange range_of(const std::vector<std::int64_t>& cuts, double tail, std::int64_t blocks) {
  if (cuts.empty()) return {0, blocks - 1};
  const std::vector<double> eofs(cuts.begin(), cuts.end());
  return {static_cast<std::int64_t>(std::floor(core::quantile(eofs, tail))),
      static_cast<std::int64_t>(std::ceil(core::quantile(eofs, 1.0 - tail)))};
}

types::RuleChoice with_stability(
    types::RuleChoice choice, const std::vector<std::int64_t>& replicates, std::int64_t blocks) {
  const auto same = std::count(replicates.begin(), replicates.end(), choice.cut);
  choice.stability =
      static_cast<double>(same) / static_cast<double>(std::max<std::size_t>(1, replicates.size()));
  const auto [low, high] = range_of(replicates, 0.05, blocks);
  choice.low = low;
  choice.high = high;
  return choice;
}

types::RuleChoice choose_with_stability(
    Rule rule, const RuleParameters& parameters, const types::Deviation& deviation) {
  return with_stability({rule, deviation.measure, choose_cut(rule, parameters, deviation)},
      replicate_choices(rule, parameters, deviation), blocks_of(deviation));
}

const std::vector<types::Deviation>& rule_deviations(const types::LayerProfile& profile) {
  return profile.vocabulary ? profile.vocabulary->deviations : profile.deviations;
}

std::vector<types::RuleChoice> all_choices(
    const types::LayerProfile& profile, const RuleParameters& parameters) {
  return all_choices(rule_deviations(profile), parameters);
}

std::vector<types::RuleChoice> all_choices(
    const std::vector<types::Deviation>& deviations, const RuleParameters& parameters) {
  std::vector<types::RuleChoice> choices;
  for (const auto& deviation : deviations) {
    for (const Rule rule : types::kProfileRules) {
      choices.push_back(choose_with_stability(rule, parameters, deviation));
    }
  }
  return choices;
}

const types::Deviation& deviation_of(const types::LayerProfile& profile, types::Measure measure) {
  for (const auto& deviation : rule_deviations(profile)) {
    if (deviation.measure == measure) return deviation;
  }
  throw Error(ErrorKind::kUsage, "the profile holds no " + core::enum_to_string(measure) +
                                     " deviation; run salf analyze with it (--loss-positions above "
                                     "0), or choose another --measure");
}

}  // namespace salf::policy
