#include "model/weights/narrow_weights.h"

#include <ATen/core/grad_mode.h>
#include <ATen/ops/empty_like.h>

#include <unordered_set>
#include <utility>

#include "tensor/mapped_space.h"

namespace salf::model {
namespace {

std::mutex substituted_mutex;
std::unordered_set<const c10::TensorImpl*>& substituted() {
  static std::unordered_set<const c10::TensorImpl*> parameters;
  return parameters;
}

}  // namespace

Substitute::Substitute(at::Tensor parameter, const at::Tensor& values)
    : parameter_(std::move(parameter)) {
  const std::lock_guard<std::mutex> lock(substituted_mutex);
  substituted().insert(parameter_.unsafeGetTensorImpl());
  parameter_.set_data(values);
}

void Substitute::end(const at::Tensor& values) {
  const std::lock_guard<std::mutex> lock(substituted_mutex);
  parameter_.set_data(values);
  substituted().erase(parameter_.unsafeGetTensorImpl());
}

bool Substitute::is_in(const at::Tensor& parameter) {
  const std::lock_guard<std::mutex> lock(substituted_mutex);
  return substituted().count(parameter.unsafeGetTensorImpl()) > 0;
}

at::Tensor NarrowWeights::of(const at::Tensor& parameter) {
  if (parameter.scalar_type() == type_) return parameter.detach();
  const std::lock_guard<std::mutex> lock(mutex_);
  Copy& copy = copies_[parameter.unsafeGetTensorImpl()];
  const bool current = copy.tensor.defined() && copy.data == parameter.const_data_ptr() &&
                       copy.version == parameter._version();
  if (current) return copy.tensor;
  const at::NoGradGuard quiet;
  copy.parameter = parameter;
  if (!copy.tensor.defined() || copy.tensor.sizes() != parameter.sizes())
    copy.tensor =
        at::empty_like(parameter.detach(), parameter.options().dtype(type_).device(device_));
  copy.tensor.copy_(parameter.detach());
  copy.data = parameter.const_data_ptr();
  copy.version = parameter._version();
  // Only the optimizer looks at the parameter from now on, and of a frozen one nobody.
  tensor::release_pages(parameter);
  return copy.tensor;
}

void NarrowWeights::forget(const at::Tensor& parameter) {
  const std::lock_guard<std::mutex> lock(mutex_);
  copies_.erase(parameter.unsafeGetTensorImpl());
}

at::Tensor NarrowWeights::to_write(const at::Tensor& parameter) const {
  const std::lock_guard<std::mutex> lock(mutex_);
  const auto found = copies_.find(parameter.unsafeGetTensorImpl());
  return found == copies_.end() ? at::Tensor() : found->second.tensor;
}

void NarrowWeights::written(const at::Tensor& parameter) {
  const std::lock_guard<std::mutex> lock(mutex_);
  const auto found = copies_.find(parameter.unsafeGetTensorImpl());
  if (found == copies_.end()) return;
  found->second.data = parameter.const_data_ptr();
  found->second.version = parameter._version();
}

void NarrowWeights::moved(const at::Tensor& parameter) {
  const std::lock_guard<std::mutex> lock(mutex_);
  const auto found = copies_.find(parameter.unsafeGetTensorImpl());
  if (found == copies_.end() || found->second.version != parameter._version()) return;
  found->second.data = parameter.const_data_ptr();
}

std::int64_t NarrowWeights::bytes() const {
  const std::lock_guard<std::mutex> lock(mutex_);
  std::int64_t sum = 0;
  for (const auto& entry : copies_) sum += static_cast<std::int64_t>(entry.second.tensor.nbytes());
  return sum;
}

}  // namespace salf::model
