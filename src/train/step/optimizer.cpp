#include "train/step/optimizer.h"

#include <ATen/ops/_foreach_add.h>
#include <ATen/ops/_foreach_norm.h>
#include <ATen/ops/_fused_adamw.h>
#include <ATen/ops/linalg_vector_norm.h>
#include <ATen/ops/stack.h>
#include <ATen/ops/zeros.h>
#include <ATen/ops/zeros_like.h>

#include <algorithm>
#include <utility>

#include "core/error.h"
#include "model/weights/lora.h"
#include "ops/adamw.h"
#include "tensor/shapes.h"

namespace salf::train {

AdamW::AdamW(std::vector<model::Parameter> parameters, AdamWOptions options,
    std::shared_ptr<model::NarrowWeights> narrow)
    : options_(options), narrow_(std::move(narrow)) {
  slots_.reserve(parameters.size());
  for (auto& parameter : parameters) slots_.push_back(Slot{std::move(parameter), {}, {}, {}});
}

void AdamW::step(double learning_rate, const at::Tensor& divisor) {
  update_all(learning_rate, divisor, false);
  update_all(learning_rate * options_.rate_ratio, divisor, true);
  ++steps_;
}

void AdamW::update_all(double learning_rate, const at::Tensor& divisor, bool lora_b) {
  std::vector<Slot*> decayed;
  std::vector<Slot*> plain;
  for (Slot& slot : slots_) {
    const at::Tensor& tensor = slot.parameter.tensor;
    if (!tensor.grad().defined() || model::is_lora_b(slot.parameter.name) != lora_b) continue;
    if (!slot.first.defined()) {
      slot.first = at::zeros_like(tensor.detach());
      slot.second = at::zeros_like(tensor.detach());
      slot.step = at::zeros({}, tensor.options().dtype(at::kFloat).requires_grad(false));
    }
    (tensor.dim() >= 2 ? decayed : plain).push_back(&slot);
  }
  update(decayed, learning_rate, options_.weight_decay, divisor);
  update(plain, learning_rate, 0.0, divisor);
}

void AdamW::update(const std::vector<Slot*>& slots, double learning_rate, double weight_decay,
    const at::Tensor& divisor) {
  if (slots.empty()) return;
  const auto by_rows = [](const Slot* slot) { return ops::has_adamw(slot->parameter.tensor); };
  if (std::all_of(slots.begin(), slots.end(), by_rows))
    return update_rows(slots, learning_rate, weight_decay, divisor);
  std::vector<at::Tensor> weights, gradients, first, second, steps;
  for (const Slot* slot : slots) {
    weights.push_back(slot->parameter.tensor);
    gradients.push_back(slot->parameter.tensor.grad());
    first.push_back(slot->first);
    second.push_back(slot->second);
    steps.push_back(slot->step);
  }
  at::_foreach_add_(steps, 1);
  at::_fused_adamw_(weights, gradients, first, second, /*max_exp_avg_sqs=*/{}, steps, learning_rate,
      options_.beta1, options_.beta2, weight_decay, options_.epsilon,
      /*amsgrad=*/false, /*maximize=*/false,
      divisor.defined() ? std::optional<at::Tensor>(divisor) : std::nullopt);
  // ATen's kernel does not: a narrow copy would stay what it was.
  for (const at::Tensor& weight : weights) weight.unsafeGetTensorImpl()->bump_version();
}

void AdamW::update_rows(const std::vector<Slot*>& slots, double learning_rate, double weight_decay,
    const at::Tensor& divisor) {
  for (Slot* slot : slots) {
    const at::Tensor& weight = slot->parameter.tensor;
    slot->step += 1;
    ops::AdamWUpdate update;
    update.learning_rate = learning_rate;
    update.weight_decay = weight_decay;
    update.beta1 = options_.beta1;
    update.beta2 = options_.beta2;
    update.epsilon = options_.epsilon;
    update.step = slot->step.item<double>();
    update.divisor = divisor.defined() ? divisor.item<double>() : 1.0;
    ops::adamw_(weight, weight.grad(), slot->first, slot->second,
        narrow_ ? narrow_->to_write(weight) : at::Tensor(), update);
    if (narrow_) narrow_->written(weight);
  }
}

void AdamW::clear_gradients() {
  for (Slot& slot : slots_) slot.parameter.tensor.mutable_grad() = at::Tensor();
}

std::vector<tensor::NamedTensor> AdamW::state(const std::string& prefix) const {
  std::vector<tensor::NamedTensor> tensors;
  for (const Slot& slot : slots_) {
    if (!slot.first.defined()) continue;
    tensors.push_back({prefix + "first/" + slot.parameter.name, slot.first});
    tensors.push_back({prefix + "second/" + slot.parameter.name, slot.second});
    tensors.push_back({prefix + "step/" + slot.parameter.name, slot.step});
  }
  return tensors;
}

void AdamW::load_state(const std::vector<tensor::NamedTensor>& tensors, const std::string& prefix,
    std::int64_t steps) {
  std::map<std::string, at::Tensor> found;
  for (const auto& named : tensors) found.emplace(named.name, named.tensor);
  const auto take = [&](const std::string& kind, const Slot& slot, at::IntArrayRef shape) {
    const std::string name = prefix + kind + "/" + slot.parameter.name;
    const auto entry = found.find(name);
    if (entry == found.end() || entry->second.sizes() != shape) {
      throw Error(ErrorKind::kBadInput,
          "checkpoint: " + name +
              (entry == found.end() ? " is missing"
                                    : " has the wrong shape " + tensor::shape_text(entry->second)));
    }
    return entry->second.to(slot.parameter.tensor.device(), /*non_blocking=*/false, /*copy=*/true);
  };
  for (Slot& slot : slots_) {
    if (found.count(prefix + "first/" + slot.parameter.name) == 0)
      continue;  // never had a gradient
    slot.first = take("first", slot, slot.parameter.tensor.sizes());
    slot.second = take("second", slot, slot.parameter.tensor.sizes());
    slot.step = take("step", slot, {});
  }
  steps_ = steps;
}

GradientNorm gradient_norm(const std::vector<model::Parameter>& parameters, double limit) {
  std::vector<at::Tensor> gradients;
  for (const auto& parameter : parameters) {
    if (parameter.tensor.grad().defined()) gradients.push_back(parameter.tensor.grad());
  }
  if (gradients.empty()) return {at::zeros({}), at::Tensor()};
  const at::Tensor norm = at::linalg_vector_norm(at::stack(at::_foreach_norm(gradients)), 2);
  if (limit <= 0.0) return {norm, at::Tensor()};
  return {norm, norm.add(1e-6).div(limit).clamp_min(1.0)};
}

}  // namespace salf::train
