#include "train/step/weights.h"

#include <ATen/core/grad_mode.h>
#include <ATen/ops/zeros.h>

#include "core/error.h"
#include "core/log.h"
#include "tensor/mapped_space.h"

namespace salf::train {

std::vector<tensor::NamedTensor> copies_of(
    const std::vector<tensor::NamedTensor>& tensors, const std::filesystem::path& folder) {
  std::vector<at::Tensor> live;
  for (const auto& named : tensors) live.push_back(named.tensor);
  std::vector<at::Tensor> copies;
  try {
    copies = tensor::mapped_copy(live, folder).tensors;
  } catch (const Error& error) {
    core::log_info(std::string("weights are copied in memory: ") + error.what());
  }
  std::vector<tensor::NamedTensor> named;
  for (std::size_t i = 0; i < tensors.size(); ++i)
    named.push_back({tensors[i].name,
        copies.empty() ? live[i].to(at::kCPU, /*non_blocking=*/false, /*copy=*/true) : copies[i]});
  return named;
}

std::vector<at::Tensor> room_like(
    const std::vector<at::Tensor>& tensors, const std::filesystem::path& folder) {
  try {
    return tensor::mapped_like(tensors, folder).tensors;
  } catch (const Error& error) {
    core::log_info(std::string("a checkpoint is put together in memory: ") + error.what());
  }
  std::vector<at::Tensor> room;
  for (const auto& tensor : tensors)
    room.push_back(at::zeros(tensor.sizes(), at::TensorOptions(tensor.scalar_type())));
  return room;
}

void Snapshot::take() {
  const at::NoGradGuard quiet;
  if (copies_.empty()) {
    copies_ = copies_of(weight_tensors(parameters_, ""), folder_);
    return;
  }
  for (std::size_t i = 0; i < parameters_.size(); ++i)
    copies_[i].tensor.copy_(parameters_[i].tensor.detach());
}

void Snapshot::restore() const {
  const at::NoGradGuard quiet;
  for (std::size_t i = 0; i < copies_.size(); ++i) parameters_[i].tensor.copy_(copies_[i].tensor);
}

std::vector<tensor::NamedTensor> Snapshot::tensors(const std::string& prefix) const {
  std::vector<tensor::NamedTensor> named = copies_;
  for (auto& copy : named) copy.name = prefix + copy.name;
  return named;
}

std::vector<tensor::NamedTensor> weight_tensors(
    const std::vector<model::Parameter>& parameters, const std::string& prefix) {
  std::vector<tensor::NamedTensor> named;
  for (const auto& parameter : parameters) {
    named.push_back({prefix + parameter.name, parameter.tensor.detach()});
  }
  return named;
}

bool load_weights(const std::vector<model::Parameter>& parameters,
    const std::vector<tensor::NamedTensor>& tensors, const std::string& prefix) {
  const at::NoGradGuard quiet;
  std::map<std::string, at::Tensor> found;
  for (const auto& named : tensors) {
    if (named.name.rfind(prefix, 0) == 0)
      found.emplace(named.name.substr(prefix.size()), named.tensor);
  }
  if (found.empty()) return false;
  for (const auto& parameter : parameters) {
    const auto entry = found.find(parameter.name);
    if (entry == found.end() || entry->second.sizes() != parameter.tensor.sizes()) {
      throw Error(ErrorKind::kBadInput, "checkpoint: " + prefix + parameter.name +
                                            " is missing or has another shape than the model's");
    }
    parameter.tensor.copy_(entry->second);
  }
  return true;
}

}  // namespace salf::train
