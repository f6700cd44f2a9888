#include "salf/train/freeze.h"

#include <c10/core/ScalarType.h>

#include <set>
#include <string>

#include "salf/core/error.h"

namespace salf::train {
namespace {

std::set<std::string> names_above(const model::GraphCut& cut, std::int64_t eof) {
  std::set<std::string> names;
  for (std::int64_t block = eof; block < cut.map().blocks; ++block) {
    for (auto& name : cut.block_parameters(block)) names.insert(std::move(name));
  }
  for (auto& name : cut.final_parameters()) names.insert(std::move(name));
  return names;
}

}  // namespace

Freeze::Freeze(const model::ScriptModel& model, const model::GraphCut& cut, std::int64_t eof) {
  const std::set<std::string> above = names_above(cut, eof);
  for (const auto& parameter : model.parameters()) {
    const at::Tensor& tensor = parameter.tensor;
    // A final norm that is tied to the head, say, is frozen with it.
    const bool head = parameter.name == cut.map().head_parameter ||
                      parameter.name == cut.map().embedding_parameter;
    const bool wanted = eof == 0 || (above.count(parameter.name) > 0 && !head);
    const bool train = wanted && at::isFloatingType(tensor.scalar_type());
    (train ? trained_ : frozen_).push_back(parameter);
    (train ? trained_before_ : frozen_before_).push_back(tensor.requires_grad());
    tensor.mutable_grad() = at::Tensor();
    tensor.requires_grad_(train);
  }
}

Freeze::~Freeze() {
  const auto restore = [](std::vector<model::Parameter>& parameters,
                          const std::vector<bool>& before) {
    for (std::size_t i = 0; i < parameters.size(); ++i) {
      parameters[i].tensor.mutable_grad() = at::Tensor();
      parameters[i].tensor.requires_grad_(before[i]);
    }
  };
  restore(trained_, trained_before_);
  restore(frozen_, frozen_before_);
}

void Freeze::train_only(const model::GraphCut& cut, const std::vector<std::int64_t>& blocks) {
  std::set<std::string> names;
  for (const std::int64_t block : blocks) {
    for (auto& name : cut.block_parameters(block)) names.insert(std::move(name));
  }
  for (auto& name : cut.final_parameters()) names.insert(std::move(name));
  names.erase(cut.map().head_parameter);
  names.erase(cut.map().embedding_parameter);
  for (const auto& parameter : trained_) {
    parameter.tensor.mutable_grad() = at::Tensor();
    parameter.tensor.requires_grad_(names.count(parameter.name) > 0);
  }
}

std::int64_t Freeze::trained_count() const {
  std::int64_t count = 0;
  for (const auto& parameter : trained_) count += parameter.tensor.numel();
  return count;
}

void Freeze::check() const {
  for (const auto& parameter : frozen_) {
    if (parameter.tensor.grad().defined()) {
      throw Error(ErrorKind::kInternal,
                  "frozen parameter " + parameter.name +
                      " has a gradient: the cut leaks; please report this model");
    }
  }
}

}  // namespace salf::train
