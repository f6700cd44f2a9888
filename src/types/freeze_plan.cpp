#include "types/freeze_plan.h"

#include <algorithm>
#include <iterator>

namespace salf::types {

namespace {

// Plans from before candidates had an arm knew one method.
bool same_method(const FreezePlan& plan, const Candidate& candidate) {
  const bool lora = !plan.shape.block_trained_parameters.empty();
  return !candidate.arm || (*candidate.arm == Arm::kLora) == lora;
}

}  // namespace

std::vector<Candidate> FreezePlan::of_its_method() const {
  std::vector<Candidate> same;
  std::copy_if(candidates.begin(), candidates.end(), std::back_inserter(same),
      [this](const Candidate& candidate) { return same_method(*this, candidate); });
  return same;
}

const Candidate* FreezePlan::chosen() const {
  const auto found =
      std::find_if(candidates.begin(), candidates.end(), [this](const Candidate& candidate) {
        return candidate.cut == cut && same_method(*this, candidate);
      });
  return found == candidates.end() ? nullptr : &*found;
}

}  // namespace salf::types
