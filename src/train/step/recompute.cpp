#include "train/step/recompute.h"

#include <ATen/core/grad_mode.h>
#include <torch/csrc/autograd/autograd.h>

#include "tensor/device.h"

namespace salf::train {

RecomputedSuffix::RecomputedSuffix(const model::GraphCut& graph, const tensor::Batch& batch,
    std::int64_t cut, c10::ScalarType autocast)
    : graph_(graph), batch_(batch), cut_(cut), autocast_(autocast) {}

at::Tensor RecomputedSuffix::forward(const at::Tensor& hidden) {
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

void RecomputedSuffix::backward() {
  const at::AutoGradMode record(true);
  at::Tensor gradient = last_.grad();
  last_ = at::Tensor();
  for (std::int64_t block = graph_.map().blocks - 1; block >= cut_; --block) {
    const at::Tensor input = inputs_.back();
    inputs_.pop_back();
    const at::Tensor leaf = input.detach().requires_grad_(block > cut_ || input.requires_grad());
    at::Tensor output;
    {
      const tensor::AutocastGuard guard(input.device(), autocast_);
      output = graph_.block(leaf, batch_, block);
    }
    torch::autograd::backward({output}, {gradient});
    gradient = leaf.grad();
    if (block == cut_ && input.requires_grad()) torch::autograd::backward({input}, {gradient});
  }
}

}  // namespace salf::train
