#include "convert/families/decoder.h"

#include <torch/csrc/jit/api/module.h>

#include <map>
#include <memory>

#include "convert/output.h"
#include "core/text.h"

namespace salf::convert {
namespace {

using torch::jit::Module;

void collect(
    const ModulePlan& plan, const std::string& prefix, std::vector<ExpectedTensor>& tensors) {
  for (const PlannedParameter& parameter : plan.parameters) {
    if (parameter.tied_to.empty()) tensors.push_back({prefix + parameter.name, parameter.shape});
  }
  for (const ModulePlan& child : plan.children)
    collect(child, prefix + child.member + ".", tensors);
}

class ModuleBuilder {
 public:
  ModuleBuilder(const std::string& family, const WeightSource& weights, core::Progress& progress)
      : class_prefix_("__torch__.salf." + family + "."), weights_(weights), progress_(progress) {}

  // Attributes, parameters and children first: the source is compiled against them.
  Module build(const ModulePlan& plan, const std::string& path) {
    Module module = make(plan.class_name);
    for (const PlannedAttribute& attribute : plan.attributes) add_attribute(module, attribute);
    for (const PlannedParameter& parameter : plan.parameters) {
      module.register_parameter(parameter.name, tensor(parameter, path), /*is_buffer=*/false);
    }
    for (const ModulePlan& child : plan.children) {
      module.register_module(child.member, build(child, path + child.member + "."));
    }
    if (!plan.source.empty() && module.type()->methods().empty()) module.define(plan.source);
    return module;
  }

 private:
  // All blocks share one class, so the archive holds its code once.
  Module make(const std::string& name) {
    const auto known = classes_.find(name);
    if (known != classes_.end()) return Module(unit_, known->second);
    Module module(c10::QualifiedName(class_prefix_ + name), unit_);
    classes_.emplace(name, module.type());
    return module;
  }

  static void add_attribute(Module& module, const PlannedAttribute& attribute) {
    if (const auto* integer = std::get_if<std::int64_t>(&attribute.value)) {
      module.register_attribute(attribute.name, c10::IntType::get(), *integer);
    } else if (const auto* number = std::get_if<double>(&attribute.value)) {
      module.register_attribute(attribute.name, c10::FloatType::get(), *number);
    } else {
      const c10::List<double> numbers(std::get<std::vector<double>>(attribute.value));
      module.register_attribute(attribute.name, c10::ListType::ofFloats(), numbers);
    }
  }

  at::Tensor tensor(const PlannedParameter& parameter, const std::string& path) {
    if (!parameter.tied_to.empty()) return tensors_.at(parameter.tied_to);
    const std::string name = path + parameter.name;
    check_stop();
    const at::Tensor read = weights_.read(name);
    tensors_.emplace(name, read);
    progress_.update(static_cast<std::int64_t>(tensors_.size()), "");
    return read;
  }

  std::string class_prefix_;
  const WeightSource& weights_;
  core::Progress& progress_;
  std::shared_ptr<torch::jit::CompilationUnit> unit_ =
      std::make_shared<torch::jit::CompilationUnit>();
  std::map<std::string, c10::ClassTypePtr> classes_;
  std::map<std::string, at::Tensor> tensors_;
};

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

Module build_module(const ModulePlan& plan, const std::string& family, const WeightSource& weights,
    core::Progress& progress) {
  progress.begin(
      "decoding tensors", static_cast<std::int64_t>(planned_tensors(plan).size()), "tensors");
  Module module = ModuleBuilder(family, weights, progress).build(plan, "");
  module.eval();
  progress.end();
  return module;
}

}  // namespace salf::convert
