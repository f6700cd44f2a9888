#include "train/step/step_runner.h"

#include <ATen/core/grad_mode.h>
#include <ATen/ops/stack.h>
#include <ATen/ops/zeros.h>
#include <torch/csrc/autograd/autograd.h>

#include <fstream>
#include <sstream>

#include "cost/estimate.h"
#include "tensor/device.h"
#include "tensor/pool.h"
#include "train/step/head_loss.h"

namespace salf::train {
namespace {

// Gradient checkpointing (Chen et al. 2016, arXiv 1604.06174): one pass of GraphCut::suffix and
// back, with the same state and the same gradients, that keeps only the blocks' inputs and runs
// each trained block again in the backward pass.
class RecomputedSuffix {
 public:
  RecomputedSuffix(const model::GraphCut& graph, const tensor::Batch& batch, std::int64_t cut)
      : graph_(graph), batch_(batch), cut_(cut) {}

  // [B, T, D] → [B, T, D]
  at::Tensor forward(const at::Tensor& hidden) {
    {
      const at::NoGradGuard quiet;
      at::Tensor state = hidden;
      for (std::int64_t block = cut_; block < graph_.map().blocks; ++block) {
        inputs_.push_back(state);
        state = graph_.block(state, batch_, block);
      }
      last_ = state.detach().requires_grad_(true);
    }
    return graph_.final_norm(last_.reshape({-1, last_.size(-1)})).reshape(last_.sizes());
  }

  // After the backward pass of what was made of forward()'s result: takes the gradients on, through
  // the blocks to their parameters and to `hidden` if it has a history. REQUIRES: forward() ran
  // once.
  void backward() {
    const at::AutoGradMode record(true);
    at::Tensor gradient = last_.grad();
    last_ = at::Tensor();
    for (std::int64_t block = graph_.map().blocks - 1; block >= cut_; --block) {
      const at::Tensor input = inputs_.back();
      inputs_.pop_back();
      const at::Tensor leaf = input.detach().requires_grad_(block > cut_ || input.requires_grad());
      torch::autograd::backward({graph_.block(leaf, batch_, block)}, {gradient});
      gradient = leaf.grad();
      if (block == cut_ && input.requires_grad()) torch::autograd::backward({input}, {gradient});
    }
  }

 private:
  const model::GraphCut& graph_;
  const tensor::Batch& batch_;
  std::int64_t cut_;
  std::vector<at::Tensor> inputs_;  // of the blocks cut … L-1, [B, T, D]
  at::Tensor last_;                 // h_L, where the recorded part begins
};

}  // namespace

MemoryUse memory_use() {
  MemoryUse use;
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);) {
    std::istringstream words(line);
    std::string name;
    std::int64_t kibibytes = 0;
    words >> name >> kibibytes;
    if (name == "VmHWM:") use.peak_resident = kibibytes * 1024;
    if (name == "RssAnon:") use.anonymous = kibibytes * 1024;
  }
  return use;
}

at::Tensor StepRunner::loss_and_gradients(
    const tensor::Batch& batch, double scale, std::int64_t& anonymous_bytes) {
  clock_.start();
  RecomputedSuffix recomputed(graph_, batch, setup_.cut);
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
  clock_.lap(cached ? passed_.cache : passed_.prefix);
  at::Tensor state =
      setup_.recompute ? recomputed.forward(hidden) : graph_.suffix(hidden, batch, setup_.cut);
  clock_.lap(passed_.suffix_forward);
  const at::Tensor loss = head_loss(graph_, supervised(state, batch), scale);
  state = at::Tensor();
  clock_.lap(passed_.head);
  if (device_.is_cpu()) {
    // Here most lives: what is given back now is not wanted again at once.
    const std::int64_t anonymous = memory_use().anonymous;
    anonymous_bytes = std::max(anonymous_bytes, anonymous);
    tensor::trim_wasteful_heap(anonymous);
  }
  loss.backward();
  if (setup_.recompute) recomputed.backward();
  clock_.lap(passed_.backward);
  return loss.detach();
}

void StepRunner::update(double learning_rate, const at::Tensor& divisor) {
  if (setup_.part != nullptr) setup_.part->begin_update(setup_.sum->take_parts());
  optimizer_.step(learning_rate, divisor);
  if (setup_.part == nullptr) return;
  optimizer_.clear_gradients();
  setup_.part->share_update();
}

StepResult StepRunner::run(const std::vector<tensor::Batch>& batches, double learning_rate,
    types::CostBreakdown& seconds, const std::function<void()>& meanwhile) {
  StepResult result;
  for (const auto& batch : batches) {
    result.tokens += batch.real_tokens;
    result.supervised_tokens += batch.supervised_tokens;
  }
  GradientSum* const sum = setup_.sum;
  if (sum != nullptr) {
    result.tokens = sum->tokens().real;
    result.supervised_tokens = sum->tokens().supervised;
  }
  if (result.supervised_tokens == 0) {
    result.loss = std::numeric_limits<double>::quiet_NaN();
    return result;
  }
  const at::AutoGradMode record(true);
  const double scale = 1.0 / static_cast<double>(result.supervised_tokens);
  at::Tensor loss = at::zeros({}, at::TensorOptions(at::kDouble).device(device_));
  for (const auto& batch : batches) {
    if (batch.supervised_tokens > 0)
      loss += loss_and_gradients(batch, scale, result.anonymous_bytes);
    if (sum != nullptr) sum->add(loss);
  }
  freeze_.check();
  const at::NoGradGuard quiet;
  clock_.start();
  if (sum != nullptr) sum->finish(loss);
  const GradientNorm gradient =
      sum != nullptr ? sum->norm(setup_.clip) : gradient_norm(freeze_.trained(), setup_.clip);
  const at::Tensor figures = at::stack({loss, gradient.norm.to(loss.options())});
  if (meanwhile && !device_.is_cpu()) meanwhile();
  const at::Tensor known = figures.cpu();  // the step's only wait on a GPU
  result.loss = known[0].item<double>();
  result.gradient_norm = known[1].item<double>();
  result.finite = std::isfinite(result.loss) && std::isfinite(result.gradient_norm);
  if (result.finite) update(learning_rate, gradient.divisor);
  optimizer_.clear_gradients();
  clock_.lap(passed_.optimizer);
  clock_.collect();
  hand_over(seconds);
  return result;
}

void StepRunner::hand_over(types::CostBreakdown& seconds) {
  seconds = cost::sum(seconds, passed_);
  passed_ = {};
}

void StepRunner::finish(types::CostBreakdown& seconds) {
  clock_.collect_all();
  hand_over(seconds);
}

}  // namespace salf::train
