#include "salf/policy/prediction.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "embedded.h"
#include "probed_law.h"
#include "salf/core/error.h"
#include "salf/core/log.h"
#include "salf/core/statistics.h"
#include "salf/core/text.h"
#include "salf/cost/table.h"

namespace salf::policy {
namespace {

double variance(const std::vector<double>& values) {
  const double deviation = core::standard_deviation(values);
  return std::isfinite(deviation) ? deviation * deviation : 0.0;
}

types::Range range_around(double value, double squares) {
  const double half = kNormal90 * std::sqrt(squares);
  return {value, value - half, value + half};
}

// φ(t)
double progress(const Law& law, double tokens, double unique_tokens) {
  const double effective = effective_tokens(tokens, unique_tokens, law.repeat);
  return effective / (effective + law.half_tokens);
}

}  // namespace

Prior read_prior(const std::string& path) {
  Prior prior = cost::read_table<Prior>(path, kPriorText, "built-in prior");
  if (prior.fits.empty() || prior.fits.back().covariate == Covariate::kSketch) {
    throw Error(ErrorKind::kBadInput, core::printable(path) + ": expected a last fit by depth or share, which needs no evidence from the "
                                                              "data; tools/fit-prior writes one");
  }
  return prior;
}

double effective_tokens(double tokens, double unique_tokens, double repeat) {
  if (!(unique_tokens > 0.0) || tokens <= unique_tokens) return tokens;
  const double again = tokens / unique_tokens - 1.0;
  return unique_tokens * (1.0 + repeat * (1.0 - std::exp(-again / repeat)));
}

struct Predictor::Fitted {
  Law law;
  std::optional<ProbedLaw> probed;
  double reduction = 0.0;  // R
};

Predictor::~Predictor() = default;

Predictor::Predictor(Prior prior, const types::ModelShape& shape, Evidence evidence)
    : prior_(std::move(prior)), shape_(shape), evidence_(std::move(evidence)) {
  const auto usable = [this](const LawFit& fit) { return evidence_.sketch || fit.covariate != Covariate::kSketch; };
  const auto found = std::find_if(prior_.fits.begin(), prior_.fits.end(), usable);
  if (found != prior_.fits.end()) fit_ = *found;
  set_level();
  if (evidence_.probes && !ProbedLaw::usable(*evidence_.probes)) {
    throw Error(ErrorKind::kBadInput, "the probes lowered the loss at no cut: nothing can be predicted from them; more --steps show more");
  }
  fitted_.push_back(fitted(fit_.law, 0));
  for (const Law& law : fit_.replicates) fitted_.push_back(fitted(law, fitted_.size()));
}

void Predictor::set_level() {
  if (!prior_.level || !prior_.level->fits(shape_) || !evidence_.gradient_agreement || evidence_.probes) {
    evidence_.gradient_agreement.reset();
    return;
  }
  const LevelFit& level = *prior_.level;
  const double agreed = std::max(level.lowest, *evidence_.gradient_agreement);
  const double factor = level.at_one * std::pow(agreed, level.power) / fit_.law.reduction;
  fit_.law.reduction *= factor;
  for (Law& law : fit_.replicates) law.reduction *= factor;
  fit_.arm_error *= factor;  // mostly of the share that is kept: so that the level does not decide which arms are equal
  fit_.reduction_spread = level.spread;
}

// Replicates also draw the probes' gains from their errors.
Predictor::Fitted Predictor::fitted(const Law& law, std::size_t replicate) const {
  Fitted made{law, std::nullopt, law.reduction};
  if (!evidence_.probes) return made;
  const types::ProbeTable& probes = *evidence_.probes;
  core::Random noise(replicate, "probes");
  made.probed.emplace(probes, [&](std::int64_t eof) { return kept(law, eof); }, replicate > 0 ? &noise : nullptr);
  made.law.lora_penalty = made.probed->lora_penalty().value_or(law.lora_penalty);
  made.reduction = made.probed->full_gain() /
                   progress(law, static_cast<double>(probes.tokens), static_cast<double>(probes.unique_tokens));
  return made;
}

double Predictor::covariate(std::int64_t eof) const {
  if (eof == 0) return 0.0;
  if (fit_.covariate == Covariate::kSketch) return 1.0 - evidence_.sketch->share_above(eof);
  if (fit_.covariate == Covariate::kDepth) {
    return static_cast<double>(eof) / static_cast<double>(std::max<std::int64_t>(1, shape_.blocks));
  }
  return 1.0 - static_cast<double>(shape_.trained_parameters(eof)) /
                   static_cast<double>(std::max<std::int64_t>(1, shape_.parameters));
}

double Predictor::kept(const Law& law, std::int64_t eof) const {
  return std::max(0.0, 1.0 - law.depth_penalty * std::pow(covariate(eof), law.depth_power));
}

double Predictor::gain(const Fitted& fitted, const ArmPoint& point) const {
  const double by_law = kept(fitted.law, point.eof);
  double kept = fitted.probed ? fitted.probed->kept(by_law) : by_law;
  if (point.arm == types::Arm::kLora) kept -= fitted.law.lora_penalty;
  return std::min(1.0, fitted.reduction * progress(fitted.law, point.tokens, point.unique_tokens) * std::max(0.0, kept));
}

double Predictor::ratio(const ArmPoint& point) const { return 1.0 - gain(fitted_.front(), point); }

std::vector<double> Predictor::replicate_ratios(const ArmPoint& point) const {
  std::vector<double> ratios;
  for (std::size_t i = 1; i < fitted_.size(); ++i) ratios.push_back(1.0 - gain(fitted_[i], point));
  return ratios;
}

bool Predictor::probed(const ArmPoint& point) const {
  if (!evidence_.probes) return false;
  const auto& arms = evidence_.probes->arms;
  return std::any_of(arms.begin(), arms.end(), [&](const types::ProbedArm& arm) {
    return arm.eof == point.eof && arm.arm == point.arm;
  });
}

// How far R may be off, as a share: probes settle it for their own tokens.
double Predictor::level_doubt(const ArmPoint& point) const {
  if (!evidence_.probes) return fit_.reduction_spread;
  const Law& law = fit_.law;
  const double here = progress(law, point.tokens, point.unique_tokens);
  const double there = progress(law, static_cast<double>(evidence_.probes->tokens), static_cast<double>(evidence_.probes->unique_tokens));
  return here > 0.0 ? fit_.reduction_spread * std::abs(1.0 - there / here) : 0.0;
}

types::Range Predictor::ratio_range(const ArmPoint& point) const {
  const double taken = gain(fitted_.front(), point);
  const double between = level_doubt(point) * taken;
  double unseen = 0.0;
  if (point.tokens > 0.0) unseen = fit_.residual * fit_.residual + (probed(point) ? 0.0 : fit_.arm_error * fit_.arm_error);
  return range_around(1.0 - taken, variance(replicate_ratios(point)) + unseen + between * between);
}

types::Range Predictor::delta_range(const ArmPoint& point, const ArmPoint& full) const {
  const double difference = ratio(point) - ratio(full);
  if (point.arm == full.arm && point.eof == full.eof) return {difference, difference, difference};
  std::vector<double> differences = replicate_ratios(point);
  const std::vector<double> others = replicate_ratios(full);
  for (std::size_t i = 0; i < differences.size(); ++i) differences[i] -= others[i];
  const double between = level_doubt(point) * difference;
  const double arm = probed(point) ? 0.0 : fit_.arm_error;
  return range_around(difference, variance(differences) + 2.0 * fit_.residual * fit_.residual + arm * arm + between * between);
}

std::string Predictor::basis() const {
  std::vector<std::string> tables;
  for (const std::string& table : prior_.tables) tables.push_back(core::printable(table));
  std::string evidence = fit_.covariate == Covariate::kSketch ? ", a gradient sketch of these data" : "";
  if (evidence_.probes) {
    return "probes of " + std::to_string(evidence_.probes->arms.size()) + " arms on these data, " + std::to_string(evidence_.probes->steps) +
           " steps each, interpolated by a prior fitted to " + core::join(tables, ", ") + evidence;
  }
  if (evidence_.gradient_agreement) evidence += ", two gradients on these data";
  return "a prior fitted to " + std::to_string(prior_.runs) + " measured points of " +
         std::to_string(prior_.data_sets.size()) + (prior_.data_sets.size() == 1 ? " data set (" : " data sets (") +
         core::join(tables, ", ") + ")" + evidence + ", no run on these data; for arms it had not seen it is off by " +
         core::format_number(100.0 * fit_.arm_error, 2) + " % of the loss before";
}

std::optional<types::LossBefore> loss_before(const types::LayerProfile& profile) {
  if (profile.loss_before) return profile.loss_before;
  if (profile.norm != "final" || profile.positions != "supervised") return std::nullopt;
  for (const auto& measured : profile.deviations) {
    if (measured.measure != types::Measure::kLoss || measured.deviation.empty()) continue;
    const double loss = measured.deviation.back();
    if (!std::isfinite(loss) || !(loss > 0.0)) return std::nullopt;
    return types::LossBefore{loss, measured.standard_error.empty() ? std::nan("") : measured.standard_error.back(), measured.documents,
                             measured.positions};
  }
  return std::nullopt;
}

}  // namespace salf::policy
