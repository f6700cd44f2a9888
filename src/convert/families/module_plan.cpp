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

std::string shape_text(const std::vector<std::int64_t>& shape) {
  std::vector<std::string> sizes;
  for (const std::int64_t size : shape) sizes.push_back(std::to_string(size));
  return "[" + core::join(sizes, ", ") + "]";
}

}  // namespace salf::convert
