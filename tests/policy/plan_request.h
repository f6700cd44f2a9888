// Everything that a plan is made from, in one place.
#pragma once

#include <memory>

#include "policy/plan.h"
#include "policy/prices.h"
#include "support/sample_documents.h"

namespace salf::policy {

struct PlanRequest {
  Evidence evidence;
  types::Budget budget;
  Limits limits;

  // A prior of its own, to change.
  Prior& own_prior() {
    const auto own = std::make_shared<Prior>(*evidence.basis.prior);
    evidence.basis.prior = own;
    return *own;
  }
};

inline types::FreezePlan make_plan(const types::LayerProfile& profile, PlanRequest request) {
  request.evidence.profile = profile;
  return plan(request.evidence, request.budget, request.limits);
}

inline const types::Candidate& at(const types::FreezePlan& plan, std::int64_t cut) {
  return *plan.candidates.at(types::Method::kBlocks, cut);
}

}  // namespace salf::policy
