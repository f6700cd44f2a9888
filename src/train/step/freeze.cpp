#include "train/step/freeze.h"

#include <c10/core/ScalarType.h>

#include <set>

#include "core/error.h"
#include "model/weights/lora.h"

namespace salf::train {
namespace {

// Of the blocks first … last and, if that is the model's last, of the final norm.
std::set<std::string> names_of(const model::GraphCut& graph, const types::BlockRange& range) {
  std::set<std::string> names;
  const auto add = [&names](const std::vector<std::string>& more) {
    names.insert(more.begin(), more.end());
  };
  for (std::int64_t block = range.first; block <= range.last; ++block)
    add(graph.block_parameters(block));
  if (range.holds(graph.map().blocks - 1)) add(graph.final_parameters());
  return names;
}

}  // namespace

Freeze::Freeze(const model::ScriptModel& model, const model::GraphCut& graph, std::int64_t cut,
    const std::optional<types::BlockRange>& whole) {
  const bool everything = cut == 0 && graph.lora().empty();
  std::set<std::string> names;
  if (graph.lora().empty()) {
    names = names_of(graph, {cut, graph.map().blocks - 1});
  } else if (whole) {
    names = names_of(graph, *whole);
  }
  for (const auto& parameter : model.parameters()) {
    // A final norm that is tied to the head, say, is frozen with it.
    const bool head = parameter.name == graph.map().head_parameter ||
                      parameter.name == graph.map().embedding_parameter;
    const bool wanted = everything || (names.count(parameter.name) > 0 && !head);
    add(parameter, wanted && at::isFloatingType(parameter.tensor.scalar_type()));
  }
  for (const auto& parameter : model::lora_parameters(graph.lora())) add(parameter, true);
}

void Freeze::add(const model::Parameter& parameter, bool train) {
  const at::Tensor& tensor = parameter.tensor;
  (train ? trained_ : frozen_).push_back(parameter);
  loaded_.push_back({tensor, tensor.requires_grad()});
  tensor.mutable_grad() = at::Tensor();
  tensor.requires_grad_(train);
}

Freeze::~Freeze() {
  for (const Loaded& parameter : loaded_) {
    parameter.tensor.mutable_grad() = at::Tensor();
    parameter.tensor.requires_grad_(parameter.requires_grad);
  }
}

void Freeze::train_only(const model::GraphCut& graph, const std::vector<std::int64_t>& blocks) {
  std::set<std::string> names;
  for (const std::int64_t block : blocks) {
    for (auto& name : graph.block_parameters(block)) names.insert(std::move(name));
  }
  for (auto& name : graph.final_parameters()) names.insert(std::move(name));
  names.erase(graph.map().head_parameter);
  names.erase(graph.map().embedding_parameter);
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

std::vector<at::Tensor> Freeze::take_gradients() const {
  std::vector<at::Tensor> gradients;
  for (const auto& parameter : trained_)
    gradients.push_back(std::exchange(parameter.tensor.mutable_grad(), at::Tensor()));
  return gradients;
}

void Freeze::check() const {
  for (const auto& parameter : frozen_) {
    if (parameter.tensor.grad().defined()) {
      throw Error(
          ErrorKind::kInternal, "frozen parameter " + parameter.name +
                                    " has a gradient: the cut leaks; please report this model");
    }
  }
}

}  // namespace salf::train
