#include "train/step/step_runner.h"

#include <ATen/core/grad_mode.h>
#include <ATen/ops/zeros.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "core/error.h"
#include "tensor/device.h"
#include "train/step/head_loss.h"
#include "train/step/recompute.h"
#include "train/step/resources.h"

namespace salf::train {

PhaseClock::PhaseClock(c10::Device device) : device_(device) {}

void PhaseClock::lap(double& phase) {
  tensor::synchronize(device_);
  const double now = watch_.seconds();
  phase += now - last_;
  last_ = now;
}

StepRunner::StepRunner(
    const model::GraphCut& graph, const Freeze& freeze, AdamW& optimizer, StepSetup setup)
    : graph_(graph), freeze_(freeze), optimizer_(optimizer), setup_(setup) {}

at::Tensor StepRunner::loss_and_gradients(const tensor::Batch& batch, double scale,
    types::CostBreakdown& seconds, std::int64_t& anonymous_bytes) {
  const c10::Device device = graph_.head_weight().device();
  PhaseClock clock(device);
  RecomputedSuffix recomputed(graph_, batch, setup_.cut, setup_.autocast);
  at::Tensor loss;
  {
    const tensor::AutocastGuard guard(device, setup_.autocast);
    at::Tensor hidden;
    const bool cached = setup_.cache != nullptr && setup_.cache->holds(batch);
    {
      // At cut 0 the embedding is trained, so it is recorded as well.
      const at::AutoGradMode record(setup_.cut == 0);
      hidden =
          setup_.cache != nullptr ? setup_.cache->hidden(batch) : graph_.prefix(batch, setup_.cut);
    }
    if (setup_.cut > 0 && hidden.requires_grad()) {
      throw Error(ErrorKind::kInternal,
          "the state at the cut has a history: the frozen part was recorded; please report "
          "this model");
    }
    clock.lap(cached ? seconds.cache : seconds.prefix);
    const at::Tensor state =
        setup_.recompute ? recomputed.forward(hidden) : graph_.suffix(hidden, batch, setup_.cut);
    clock.lap(seconds.suffix_forward);
    loss = head_loss(graph_, supervised(state, batch), scale);
    clock.lap(seconds.head);
  }
  const std::int64_t anonymous = memory_use().anonymous;
  anonymous_bytes = std::max(anonymous_bytes, anonymous);
  trim_wasteful_heap(
      anonymous);  // here it lives most: what is given back now is not wanted again at once
  loss.backward();
  if (setup_.recompute) recomputed.backward();
  clock.lap(seconds.backward);
  return loss.detach();
}

StepResult StepRunner::run(const std::vector<tensor::Batch>& batches, double learning_rate,
    types::CostBreakdown& seconds) {
  StepResult result;
  for (const auto& batch : batches) {
    result.tokens += batch.real_tokens;
    result.supervised_tokens += batch.supervised_tokens;
  }
  if (result.supervised_tokens == 0) {
    result.loss = std::numeric_limits<double>::quiet_NaN();
    return result;
  }
  const at::AutoGradMode record(true);
  const double scale = 1.0 / static_cast<double>(result.supervised_tokens);
  at::Tensor loss = at::zeros({}, at::kDouble);
  for (const auto& batch : batches) {
    if (batch.supervised_tokens > 0)
      loss += loss_and_gradients(batch, scale, seconds, result.anonymous_bytes).cpu();
  }
  freeze_.check();
  const at::NoGradGuard quiet;
  PhaseClock clock(graph_.head_weight().device());
  const GradientNorm gradient = gradient_norm(freeze_.trained(), setup_.clip);
  result.gradient_norm = gradient.norm.item<double>();
  result.loss = loss.item<double>();
  result.finite = std::isfinite(result.loss) && std::isfinite(result.gradient_norm);
  if (result.finite) optimizer_.step(learning_rate, gradient.divisor);
  optimizer_.clear_gradients();
  clock.lap(seconds.optimizer);
  return result;
}

}  // namespace salf::train
