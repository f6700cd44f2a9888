// A law corrected by what trials found on the data themselves.
#pragma once

#include <functional>
#include <utility>

#include "core/random.h"
#include "types/trial_table.h"

namespace salf::policy {

// Which share of full tuning's gain a cut keeps: a monotone, piecewise linear map of the law's own
// answer through the tried arms (pooled where their order contradicts itself), so that between two
// arms the law interpolates, and below the last it goes on in proportion. The shallowest tried arm
// settles the level.
class TrialLaw {
 public:
  // `kept` of the law for a cut, non-increasing, 1 at 0. `noise`: the gains are drawn from their
  // errors, for resampling. REQUIRES: usable(table)
  TrialLaw(const types::TrialTable& table, const std::function<double(std::int64_t cut)>& kept,
      core::Random* noise = nullptr);

  double kept(double by_law) const;
  // What LoRA keeps less than whole blocks at the same cut, the mean over the arms with LoRA;
  // nothing without any.
  std::optional<double> lora_penalty() const { return lora_penalty_; }
  // Of full tuning after the trials' steps, as a share of the loss before.
  double full_gain() const { return full_gain_; }

  // Cuts among the arms, and the shallowest lowered the loss.
  static bool usable(const types::TrialTable& table);

 private:
  std::vector<std::pair<double, double>>
      points_;  // the law's answer and the corrected one, both descending
  double full_gain_ = 0.0;
  std::optional<double> lora_penalty_;
};

}  // namespace salf::policy
