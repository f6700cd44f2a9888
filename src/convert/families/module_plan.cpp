#include "convert/families/module_plan.h"

#include "core/text.h"

namespace salf::convert {
namespace {

void collect(
    const ModulePlan& plan, const std::string& prefix, std::vector<ExpectedTensor>& tensors) {
  for (const PlannedParameter& parameter : plan.parameters) {
    if (parameter.tied_to.empty()) tensors.push_back({prefix + parameter.name, parameter.shape});
  }
  for (const ModulePlan& child : plan.children)
    collect(child, prefix + child.member + ".", tensors);
}

}  // namespace

std::vector<ExpectedTensor> planned_tensors(const ModulePlan& plan) {
  std::vector<ExpectedTensor> tensors;
  collect(plan, "", tensors);
  return tensors;
}

std::string list_problems(const std::vector<std::string>& problems) {
  constexpr std::size_t kShown = 8;
  if (problems.size() <= kShown) return core::join(problems, "; ");
  return core::join({problems.begin(), problems.begin() + kShown}, "; ") + "; and " +
         std::to_string(problems.size() - kShown) + " more";
}

}  // namespace salf::convert
