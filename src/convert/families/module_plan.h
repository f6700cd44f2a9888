// What is a TorchScript module before any weight is read? Its classes and their sources, and the
// name and shape of each parameter. One description gives the tensors that a file must hold, and
// later the module itself.
#pragma once

#include <cstdint>
#include <string>
#include <variant>
#include <vector>

namespace salf::convert {

struct PlannedParameter {
  std::string name;  // "weight"
  std::vector<std::int64_t> shape;
  std::string tied_to;  // full name of the parameter that this one shares its tensor with, planned
                        // before it; or ""
};

struct PlannedAttribute {
  std::string name;
  std::variant<std::int64_t, double, std::vector<double>> value;
};

struct ModulePlan {
  std::string member;  // its name within its parent; "" for the outermost
  std::string
      class_name;      // modules of one class name have one source, and members of the same kinds
  std::string source;  // TorchScript of its methods; "" for a mere container
  std::vector<PlannedParameter> parameters;
  std::vector<PlannedAttribute> attributes;
  std::vector<ModulePlan> children;
};

struct ExpectedTensor {
  std::string name;  // "model.layers.0.self_attn.q_proj.weight"
  std::vector<std::int64_t> shape;
};

// The tensors that the plan needs, in its order; a tied one once, under the name that comes first.
std::vector<ExpectedTensor> planned_tensors(const ModulePlan& plan);

// "[49152, 576]"
std::string shape_text(const std::vector<std::int64_t>& shape);

}  // namespace salf::convert
