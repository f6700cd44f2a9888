#include "salf/policy/prediction.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "embedded.h"
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

Predictor::Predictor(Prior prior, const types::ModelShape& shape, std::optional<types::GradientSketch> sketch)
    : prior_(std::move(prior)), shape_(shape), sketch_(std::move(sketch)) {
  const auto usable = [this](const LawFit& fit) { return sketch_ || fit.covariate != Covariate::kSketch; };
  const auto found = std::find_if(prior_.fits.begin(), prior_.fits.end(), usable);
  if (found != prior_.fits.end()) fit_ = *found;
}

double Predictor::covariate(std::int64_t eof) const {
  if (eof == 0) return 0.0;
  if (fit_.covariate == Covariate::kSketch) return 1.0 - sketch_->share_above(eof);
  if (fit_.covariate == Covariate::kDepth) {
    return static_cast<double>(eof) / static_cast<double>(std::max<std::int64_t>(1, shape_.blocks));
  }
  return 1.0 - static_cast<double>(shape_.trained_parameters(eof)) /
                   static_cast<double>(std::max<std::int64_t>(1, shape_.parameters));
}

double Predictor::gain(const Law& law, const ArmPoint& point) const {
  const double tokens = effective_tokens(point.tokens, point.unique_tokens, law.repeat);
  double kept = 1.0 - law.depth_penalty * std::pow(covariate(point.eof), law.depth_power);
  if (point.arm == types::Arm::kLora) kept -= law.lora_penalty;
  return std::min(1.0, law.reduction * tokens / (tokens + law.half_tokens) * std::max(0.0, kept));
}

double Predictor::ratio(const ArmPoint& point) const { return 1.0 - gain(fit_.law, point); }

std::vector<double> Predictor::replicate_ratios(const ArmPoint& point) const {
  std::vector<double> ratios;
  for (const Law& law : fit_.replicates) ratios.push_back(1.0 - gain(law, point));
  return ratios;
}

types::Range Predictor::ratio_range(const ArmPoint& point) const {
  const double taken = gain(fit_.law, point);
  const double between = fit_.reduction_spread * taken;
  const double unseen = point.tokens > 0.0 ? fit_.residual * fit_.residual + fit_.arm_error * fit_.arm_error : 0.0;
  return range_around(1.0 - taken, variance(replicate_ratios(point)) + unseen + between * between);
}

types::Range Predictor::delta_range(const ArmPoint& point, const ArmPoint& full) const {
  const double difference = ratio(point) - ratio(full);
  if (point.arm == full.arm && point.eof == full.eof) return {difference, difference, difference};
  std::vector<double> differences = replicate_ratios(point);
  const std::vector<double> others = replicate_ratios(full);
  for (std::size_t i = 0; i < differences.size(); ++i) differences[i] -= others[i];
  const double between = fit_.reduction_spread * difference;
  return range_around(difference, variance(differences) + 2.0 * fit_.residual * fit_.residual +
                                      fit_.arm_error * fit_.arm_error + between * between);
}

std::string Predictor::basis() const {
  std::vector<std::string> tables;
  for (const std::string& table : prior_.tables) tables.push_back(core::printable(table));
  const char* const evidence = fit_.covariate == Covariate::kSketch ? ", a gradient sketch of these data, " : ", ";
  return "a prior fitted to " + std::to_string(prior_.runs) + " measured points of " +
         std::to_string(prior_.data_sets.size()) + (prior_.data_sets.size() == 1 ? " data set (" : " data sets (") +
         core::join(tables, ", ") + ")" + evidence + "no run on these data; arms it had not seen were off by " +
         core::format_number(100.0 * fit_.arm_error, 2) + " % of the loss before";
}

std::optional<LossBefore> loss_before(const types::LayerProfile& profile) {
  for (const auto& measured : profile.deviations) {
    if (measured.measure != types::Measure::kLoss || measured.deviation.empty()) continue;
    const double loss = measured.deviation.back();
    if (!std::isfinite(loss) || !(loss > 0.0)) return std::nullopt;
    return LossBefore{loss, measured.standard_error.empty() ? std::nan("") : measured.standard_error.back()};
  }
  return std::nullopt;
}

}  // namespace salf::policy
