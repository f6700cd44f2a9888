// A TorchScript module before any weight is read: its classes, their sources, and the name and
// shape of each parameter. It tells which tensors a file must hold, and module_builder.h builds
// from it.
#pragma once

#include <cstdint>
#include <string>
#include <variant>
#include <vector>

namespace salf::convert {

struct PlannedParameter {
  std::string name;  // "weight"
  std::vector<std::int64_t> shape;
  std::string tied_to;  // full name of an earlier parameter that shares its tensor, or ""
};

struct PlannedAttribute {
  std::string name;
  std::variant<std::int64_t, double, std::vector<double>> value;
};

struct ModulePlan {
  std::string member;      // its name within its parent; "" for the outermost
  std::string class_name;  // modules of one class have one source and members of the same kinds
  std::string source;      // TorchScript of its methods; "" for a mere container
  std::vector<PlannedParameter> parameters;
  std::vector<PlannedAttribute> attributes;
  std::vector<ModulePlan> children;
};

struct ExpectedTensor {
  std::string name;  // "model.layers.0.self_attn.q_proj.weight"
  std::vector<std::int64_t> shape;
};

// The tensors of the plan, in its order. A tied one comes once, under its first name.
std::vector<ExpectedTensor> planned_tensors(const ModulePlan& plan);

// At most eight problems, then how many more there are: "A; B; and 3 more".
std::string list_problems(const std::vector<std::string>& problems);

}  // namespace salf::convert
