#include "train/cache/frozen_weights.h"

#include <ATen/core/grad_mode.h>

#include <set>

#include "core/log.h"
#include "tensor/device.h"
#include "tensor/mapped_space.h"
#include "tensor/pool.h"

namespace salf::train {
namespace {

bool is_movable(const at::Tensor& tensor) {
  return tensor.device().is_cpu() && tensor.is_contiguous() && tensor.storage_offset() == 0 &&
         tensor.storage().nbytes() == tensor.nbytes() && tensor.storage().use_count() == 1;
}

std::vector<model::Parameter> alone_on_gpu(const std::vector<model::Parameter>& parameters) {
  std::vector<model::Parameter> alone;
  for (const auto& parameter : parameters) {
    if (!parameter.tensor.device().is_cpu() && parameter.tensor.storage().use_count() == 1)
      alone.push_back(parameter);
  }
  return alone;
}

void log_stay(const std::exception& error) {
  core::log_error("frozen weights could not go back to the GPU: " + tensor::error_text(error));
}

}  // namespace

std::vector<model::Parameter> weights_below(
    const Freeze& freeze, const model::GraphCut& graph, std::int64_t cut) {
  std::set<std::string> names;
  for (std::int64_t block = 0; block < cut; ++block) {
    for (auto& name : graph.block_parameters(block)) names.insert(std::move(name));
  }
  if (!graph.map().tied) names.insert(graph.map().embedding_parameter);
  std::vector<model::Parameter> below;
  for (const auto& parameter : freeze.frozen()) {
    if (names.count(parameter.name) > 0) below.push_back(parameter);
  }
  return below;
}

MappedWeights::MappedWeights(
    const std::vector<model::Parameter>& parameters, const std::filesystem::path& folder) {
  std::vector<at::Tensor> moved;
  for (const auto& parameter : parameters) {
    if (is_movable(parameter.tensor)) moved.push_back(parameter.tensor);
  }
  tensor::MappedTensors copy = tensor::mapped_copy(moved, folder);
  for (std::size_t i = 0; i < moved.size(); ++i) {
    moved[i].set_data(copy.tensors[i]);
    bytes_ += static_cast<std::int64_t>(moved[i].nbytes());
  }
  space_ = std::move(copy.space);
  // What the heap still holds of the tensors' old memory goes back to the system.
  tensor::trim_memory();
}

void MappedWeights::release() const { space_->release(); }

HostWeights::HostWeights(
    const std::vector<model::Parameter>& parameters, std::shared_ptr<model::NarrowWeights> narrow)
    : parameters_(alone_on_gpu(parameters)), narrow_(std::move(narrow)),
      device_(parameters_.empty() ? c10::Device(c10::kCPU) : parameters_[0].tensor.device()) {
  move(c10::kCPU);
}

HostWeights::~HostWeights() {
  try {
    move(device_);
  } catch (const std::exception& error) {
    log_stay(error);
  }
}

void HostWeights::move(c10::Device to) {
  const at::NoGradGuard quiet;
  for (const auto& parameter : parameters_) {
    at::Tensor tensor = parameter.tensor;
    tensor.set_data(tensor.detach().to(to));
    if (narrow_) narrow_->moved(tensor);
  }
}

std::int64_t HostWeights::bytes() const {
  std::int64_t sum = 0;
  for (const auto& parameter : parameters_)
    sum += static_cast<std::int64_t>(parameter.tensor.nbytes());
  return sum;
}

NarrowedWeights::NarrowedWeights(
    const std::vector<model::Parameter>& parameters, model::NarrowWeights& narrow) {
  const at::NoGradGuard quiet;
  for (const auto& parameter : alone_on_gpu(parameters)) {
    const at::Tensor& tensor = parameter.tensor;
    const at::Tensor copy = narrow.of(tensor);
    narrow.forget(tensor);
    device_ = tensor.device();
    const at::Tensor original = tensor.detach().to(c10::kCPU);
    kept_.push_back({model::Substitute(tensor, copy), original});
  }
}

NarrowedWeights::~NarrowedWeights() {
  try {
    const at::NoGradGuard quiet;
    for (Kept& kept : kept_) kept.parameter.end(kept.original.to(device_));
  } catch (const std::exception& error) {
    log_stay(error);
  }
}

std::int64_t NarrowedWeights::bytes() const {
  std::int64_t sum = 0;
  for (const Kept& kept : kept_) sum += static_cast<std::int64_t>(kept.original.nbytes());
  return sum;
}

}  // namespace salf::train
