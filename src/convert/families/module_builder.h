// How do a plan and weights become a TorchScript module?
#pragma once

#include <ATen/core/Tensor.h>

#include <string>

#include "convert/families/module_plan.h"
#include "core/progress.h"

namespace torch::jit {
struct Module;
}

namespace salf::convert {

// Where the weights come from.
class WeightSource {
 public:
  virtual ~WeightSource() = default;
  // The tensor of a planned name, in the planned shape: new, float32, requiring gradients.
  // REQUIRES: it was found there before.
  virtual at::Tensor read(const std::string& name) const = 0;
};

// The module in eval mode. `family` names its classes: __torch__.salf.FAMILY.CLASS. Tensors are
// read one after another, each into its final place.
torch::jit::Module build_module(const ModulePlan& plan, const std::string& family,
    const WeightSource& weights, core::Progress& progress);

}  // namespace salf::convert
