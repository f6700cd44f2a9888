#include "policy/prediction.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "core/error.h"
#include "core/log.h"
#include "core/statistics.h"
#include "core/text.h"
#include "cost/table.h"
#include "policy/trial_law.h"

namespace salf::policy {

extern const char* const kPriorText;  // configs/prior.json, built in

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

double progress(const Law& law, const types::TrialTable& trials) {
  return progress(
      law, static_cast<double>(trials.tokens), static_cast<double>(trials.unique_tokens));
}

}  // namespace

std::shared_ptr<const Prior> read_prior(const std::string& path) {
  auto prior = cost::read_table<Prior>(path, kPriorText, "built-in prior");
  if (prior.fits.empty())
    throw Error(ErrorKind::kBadInput,
        core::printable(path) + ": there is no fit in it; tools/fit-prior writes one");
  return std::make_shared<const Prior>(std::move(prior));
}

double effective_tokens(double tokens, double unique_tokens, double repeat) {
  if (!(unique_tokens > 0.0) || tokens <= unique_tokens) return tokens;
  const double again = tokens / unique_tokens - 1.0;
  return unique_tokens * (1.0 + repeat * (1.0 - std::exp(-again / repeat)));
}

struct Predictor::Fitted {
  Law law;
  std::optional<TrialLaw> tried;
  double reduction = 0.0;  // R
};

Predictor::~Predictor() = default;

Predictor::Predictor(PredictionBasis basis, const types::ModelShape& shape)
    : basis_(std::move(basis)), fit_(basis_.prior->fits.front()), shape_(shape) {
  set_level();
  if (basis_.trials && !TrialLaw::usable(*basis_.trials)) {
    throw Error(ErrorKind::kBadInput,
        "the trials lowered the loss at no cut: nothing can be predicted from them; more "
        "--steps show more");
  }
  fitted_.push_back(fitted(fit_.law, 0));
  for (const Law& law : fit_.replicates) fitted_.push_back(fitted(law, fitted_.size()));
}

void Predictor::set_level() {
  if (!basis_.prior->level || !basis_.prior->level->fits(shape_) || !basis_.gradient_agreement ||
      basis_.trials) {
    basis_.gradient_agreement.reset();
    return;
  }
  const LevelFit& level = *basis_.prior->level;
  const double agreed = std::max(level.lowest, *basis_.gradient_agreement);
  const double factor = level.at_one * std::pow(agreed, level.power) / fit_.law.reduction;
  fit_.law.reduction *= factor;
  for (Law& law : fit_.replicates) law.reduction *= factor;
  fit_.arm_error *= factor;  // mostly of the share that is kept: so that the level does not decide
                             // which arms are equal
  fit_.reduction_spread = level.spread;
}

// Replicates also draw the trials' gains from their errors.
Predictor::Fitted Predictor::fitted(const Law& law, std::size_t replicate) const {
  Fitted made{law, std::nullopt, law.reduction};
  if (!basis_.trials) return made;
  const types::TrialTable& trials = *basis_.trials;
  core::Random noise(replicate, "probes");
  made.tried.emplace(
      trials, [&](std::int64_t cut) { return kept(law, cut); }, replicate > 0 ? &noise : nullptr);
  made.law.lora_penalty = made.tried->lora_penalty().value_or(law.lora_penalty);
  made.reduction = made.tried->full_gain() / progress(law, trials);
  return made;
}

double Predictor::covariate(std::int64_t cut) const {
  if (cut == 0) return 0.0;
  if (fit_.covariate == Covariate::kDepth) {
    return static_cast<double>(cut) / static_cast<double>(std::max<std::int64_t>(1, shape_.blocks));
  }
  return 1.0 - static_cast<double>(shape_.trained_parameters(cut)) /
                   static_cast<double>(std::max<std::int64_t>(1, shape_.parameters));
}

double Predictor::kept(const Law& law, std::int64_t cut) const {
  return std::max(0.0, 1.0 - law.depth_penalty * std::pow(covariate(cut), law.depth_power));
}

double Predictor::gain(const Fitted& fitted, const ArmPoint& point) const {
  const double by_law = kept(fitted.law, point.cut);
  double kept = fitted.tried ? fitted.tried->kept(by_law) : by_law;
  if (point.arm == types::Arm::kLora) kept -= fitted.law.lora_penalty;
  return std::min(1.0, fitted.reduction * progress(fitted.law, point.tokens, point.unique_tokens) *
                           std::max(0.0, kept));
}

double Predictor::ratio(const ArmPoint& point) const { return 1.0 - gain(fitted_.front(), point); }

std::vector<double> Predictor::replicate_ratios(const ArmPoint& point) const {
  std::vector<double> ratios;
  for (std::size_t i = 1; i < fitted_.size(); ++i) ratios.push_back(1.0 - gain(fitted_[i], point));
  return ratios;
}

bool Predictor::tried(const ArmPoint& point) const {
  if (!basis_.trials) return false;
  const auto& arms = basis_.trials->arms;
  return std::any_of(arms.begin(), arms.end(),
      [&](const types::Trial& arm) { return arm.cut == point.cut && arm.arm == point.arm; });
}

// How far R may be off, as a share: trials settle it for their own tokens.
double Predictor::level_doubt(const ArmPoint& point) const {
  if (!basis_.trials) return fit_.reduction_spread;
  const double here = progress(fit_.law, point.tokens, point.unique_tokens);
  const double there = progress(fit_.law, *basis_.trials);
  return here > 0.0 ? fit_.reduction_spread * std::abs(1.0 - there / here) : 0.0;
}

types::Range Predictor::ratio_range(const ArmPoint& point) const {
  const double taken = gain(fitted_.front(), point);
  const double between = level_doubt(point) * taken;
  double unseen = 0.0;
  if (point.tokens > 0.0)
    unseen = fit_.residual * fit_.residual + (tried(point) ? 0.0 : fit_.arm_error * fit_.arm_error);
  return range_around(1.0 - taken, variance(replicate_ratios(point)) + unseen + between * between);
}

types::Range Predictor::delta_range(const ArmPoint& point, const ArmPoint& full) const {
  const double difference = ratio(point) - ratio(full);
  if (point.arm == full.arm && point.cut == full.cut) return {difference, difference, difference};
  std::vector<double> differences = replicate_ratios(point);
  const std::vector<double> others = replicate_ratios(full);
  for (std::size_t i = 0; i < differences.size(); ++i) differences[i] -= others[i];
  const double between = level_doubt(point) * difference;
  const double arm = tried(point) ? 0.0 : fit_.arm_error;
  return range_around(difference,
      variance(differences) + 2.0 * fit_.residual * fit_.residual + arm * arm + between * between);
}

std::string Predictor::basis() const {
  std::vector<std::string> tables;
  for (const std::string& table : basis_.prior->tables) tables.push_back(core::printable(table));
  if (basis_.trials) {
    return "trials of " + std::to_string(basis_.trials->arms.size()) + " arms on these data, " +
           std::to_string(basis_.trials->steps) +
           " steps each, interpolated by a prior fitted to " + core::join(tables, ", ");
  }
  const std::string evidence = basis_.gradient_agreement ? ", two gradients on these data" : "";
  return "a prior fitted to " + std::to_string(basis_.prior->runs) + " measured points of " +
         std::to_string(basis_.prior->data_sets.size()) +
         (basis_.prior->data_sets.size() == 1 ? " data set (" : " data sets (") +
         core::join(tables, ", ") + ")" + evidence +
         ", no run on these data; for arms it had not seen it is off by " +
         core::format_number(100.0 * fit_.arm_error, 2) + " % of the loss before";
}

std::optional<types::LossBefore> loss_before(const types::LayerProfile& profile) {
  if (profile.loss_before) return profile.loss_before;
  if (profile.norm != "final" || profile.positions != "supervised") return std::nullopt;
  for (const auto& measured : profile.deviations) {
    if (measured.measure != types::Measure::kLoss || measured.deviation.empty()) continue;
    const double loss = measured.deviation.back();
    if (!std::isfinite(loss) || !(loss > 0.0)) return std::nullopt;
    return types::LossBefore{loss,
        measured.standard_error.empty() ? std::nan("") : measured.standard_error.back(),
        measured.documents, measured.positions};
  }
  return std::nullopt;
}

}  // namespace salf::policy
