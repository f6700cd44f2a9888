// Predicts the loss that a cut will reach. It rests on a law that was fitted to measured runs
// (tools/fit-prior), and on what the profile says of the loss before.
#pragma once

#include <memory>

#include "types/freeze_plan.h"
#include "types/trial_table.h"

namespace salf::policy {

// 1 − L/L0 = R·φ(t)·(1 − D·x^p − A·[lora]), φ(t) = t / (t + t0), t = U·(1 + r·(1 − exp(−(k−1)/r))):
// U unique tokens, k epochs, x what lies below the cut (Covariate). All tokens count, also those
// without a label: an answer of a few tokens is learned in as many steps as a long one. Repeated
// data is worth less (Muennighoff et al. 2023, arXiv 2305.16264).
struct Law {
  double reduction = 0.0;      // R: what endless full tuning takes off the loss, as a share
  double half_tokens = 1.0;    // t0: tokens to half of that
  double depth_penalty = 0.0;  // D
  double depth_power = 1.0;    // p
  double lora_penalty = 0.0;   // A
  double repeat = 1.0;         // r

  template <class Self, class Visitor> static void fields(Self& self, Visitor& visit) {
    visit(Field{"reduction"}.range(0, 1.5), self.reduction);
    visit(Field{"half_tokens"}.range(1, 1e12), self.half_tokens);
    visit(Field{"depth_penalty"}.range(0, 1), self.depth_penalty);
    visit(Field{"depth_power"}.range(0.1, 20), self.depth_power);
    visit(Field{"lora_penalty"}.range(-1, 1), self.lora_penalty);
    visit(Field{"repeat"}.range(0.01, 100), self.repeat);
  }
};

// Standard errors on each side of an interval that holds 90 %.
inline constexpr double kNormal90 = 1.645;
// Predicted losses this close (as a share of the loss before) count as the same.
inline constexpr double kSameLoss = 0.001;

// What x is: the depth of the cut (cut / L), or the untrained share of the parameters.
enum class Covariate { kDepth, kShare };
inline std::vector<core::EnumName<Covariate>> enum_names(Covariate) {
  return {{Covariate::kDepth, "depth"}, {Covariate::kShare, "share"}};
}

// One law and how well it did. Errors are shares of the loss before.
struct LawFit {
  Covariate covariate = Covariate::kDepth;
  Law law;
  std::vector<Law> replicates;    // fits to resampled arms
  double reduction_spread = 0.0;  // standard deviation of R between data sets, over its mean
  double residual = 0.0;          // of one run
  double arm_error = 0.0;         // of arms that the fit had not seen

  template <class Self, class Visitor> static void fields(Self& self, Visitor& visit) {
    visit("covariate", self.covariate);
    visit("law", self.law);
    visit("replicates", self.replicates);
    visit(Field{"reduction_spread"}.range(0, 10), self.reduction_spread);
    visit(Field{"residual"}.range(0, 1), self.residual);
    visit(Field{"arm_error"}.range(0, 1), self.arm_error);
  }
};

// R = at_one · a^power, of data whose gradients agree to a (train::Timing::gradient_agreement). A
// gradient depends on how a model is parametrised: only for the model that the fit's runs are of.
struct LevelFit {
  std::int64_t blocks = 0, parameters = 0;  // of that model
  double at_one = 0.0;
  double power = 0.0;
  double lowest = 0.0;  // agreement that the fit saw: less is mostly noise, and counts as this
  double spread = 0.0;  // of data sets that the fit had not seen, as a share of R

  bool fits(const types::ModelShape& shape) const {
    return shape.blocks == blocks && shape.parameters == parameters;
  }

  template <class Self, class Visitor> static void fields(Self& self, Visitor& visit) {
    visit(Field{"blocks"}.range(1, 1e5), self.blocks);
    visit(Field{"parameters"}.range(1, 1e13), self.parameters);
    visit(Field{"at_one"}.range(0, 10), self.at_one);
    visit(Field{"power"}.range(0, 2), self.power);
    visit(Field{"lowest"}.range(1e-12, 1e12), self.lowest);
    visit(Field{"spread"}.range(0, 10), self.spread);
  }
};

// configs/prior.json.
struct Prior {
  static constexpr const char* kSchema = "salf.prior/2";
  std::vector<std::string> tables;  // that it was fitted to
  std::vector<std::string> data_sets;
  std::int64_t runs = 0;
  std::vector<LawFit> fits;       // the first is used, and written; older files have more
  std::optional<LevelFit> level;  // instead of the mean R of the data sets

  template <class Self, class Visitor> static void fields(Self& self, Visitor& visit) {
    visit("tables", self.tables);
    visit("data_sets", self.data_sets);
    visit(Field{"runs"}.range(0, 1e9), self.runs);
    visit("fits", self.fits);
    visit("level", self.level);
  }
};

// The prior in `path`, or "": the one that the program was built with. Throws Error(kIo),
// Error(kBadInput), also for one without a fit.
std::shared_ptr<const Prior> read_prior(const std::string& path);

double effective_tokens(double tokens, double unique_tokens, double repeat);

// A run to predict: what it trains, and on how many tokens.
struct ArmPoint {
  types::Arm arm = types::Arm::kFull;
  std::int64_t cut = 0;
  double tokens = 0.0;
  double unique_tokens = 0.0;
};

// What predictions rest on.
struct PredictionBasis {
  std::shared_ptr<const Prior> prior;  // shared, because it is read once and serves every plan
  std::optional<types::TrialTable> trials{};   // of this model and these data
  std::optional<double> gradient_agreement{};  // likewise, as train::Timing has it
};

// Predicts for one model. Losses are shares of the loss before (1: nothing was gained).
class Predictor {
 public:
  // By the prior's first law, corrected by trials. Throws Error(kBadInput) for trials that lowered
  // no loss. REQUIRES: a prior with a fit, and trials of a model of that shape
  Predictor(PredictionBasis basis, const types::ModelShape& shape);
  ~Predictor();

  double ratio(const ArmPoint& point) const;
  // 90 %: what the fit leaves open (its replicates, arms that it had not seen, one run's scatter),
  // and how far R differs between data sets, or from what their gradients say of it; with trials,
  // only as far as the run goes beyond their tokens.
  types::Range ratio_range(const ArmPoint& point) const;
  // ratio(point) − ratio(full): most of the doubt about R is the same on both sides. 0 for full
  // itself.
  types::Range delta_range(const ArmPoint& point, const ArmPoint& full) const;
  // By each replicate of the fit.
  std::vector<double> replicate_ratios(const ArmPoint& point) const;

  // As a share of the loss before: what the prior is off by for arms it had not seen, in proportion
  // to R; 0 with trials.
  double error_unseen() const { return basis_.trials ? 0.0 : fit_.arm_error; }

  // One sentence: what the predictions rest on.
  std::string basis() const;

 private:
  // One law, or one of its replicates, with the trials' correction.
  struct Fitted;

  Fitted fitted(const Law& law, std::size_t replicate) const;
  double gain(const Fitted& fitted, const ArmPoint& point) const;
  double kept(const Law& law, std::int64_t cut) const;
  double covariate(std::int64_t cut) const;
  bool tried(const ArmPoint& point) const;
  void set_level();
  double level_doubt(const ArmPoint& point) const;

  PredictionBasis basis_;
  LawFit fit_;  // that is used, its R as the gradients have it
  types::ModelShape shape_;
  std::vector<Fitted> fitted_;  // of the law, then of its replicates
};

// The profile's loss_before. Of an older profile what the loss deviation has at the last space,
// which is the model's own loss where the final norm was applied and every supervised position
// measured (its error is NaN where that is not known). Nothing where no loss was measured.
std::optional<types::LossBefore> loss_before(const types::LayerProfile& profile);

}  // namespace salf::policy
