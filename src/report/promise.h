// What a plan whose aim saves has promised.
#pragma once

#include "types/freeze_plan.h"

namespace salf::report {

struct Promise {
  double limit = 0.0;      // nats a token that the run may end above the reference
  double reference = 0.0;  // types::FreezePlan::reference_loss

  bool kept(double loss) const { return loss - reference <= limit; }
};

// Nothing of the aim best, or where the loss before is not known.
inline std::optional<Promise> promise_of(const types::FreezePlan& plan) {
  if (plan.aim == types::Aim::kBest || !plan.max_loss_increase || !plan.reference_loss ||
      !plan.loss_before)
    return std::nullopt;
  return Promise{*plan.max_loss_increase, *plan.reference_loss};
}

}  // namespace salf::report
