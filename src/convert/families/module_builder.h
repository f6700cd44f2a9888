// Building of a TorchScript module from a plan and weights.
#pragma once

#include <ATen/core/Tensor.h>

#include <string>

#include "convert/families/module_plan.h"
#include "core/progress.h"

namespace torch::jit {
struct Module;
}

namespace salf::convert {

class WeightSource {
 public:
  virtual ~WeightSource() = default;
  // A new tensor of the planned shape, float32, that requires gradients.
  // REQUIRES: the source has it
  virtual at::Tensor read(const std::string& name) const = 0;
};

// The module in eval mode. Its classes are __torch__.salf.FAMILY.CLASS. Tensors are read one after
// another.
torch::jit::Module build_module(const ModulePlan& plan, const std::string& family,
    const WeightSource& weights, core::Progress& progress);

}  // namespace salf::convert
