#include "train/step/head_loss.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/_log_softmax.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/matmul.h>
#include <ATen/ops/stack.h>
#include <ATen/ops/zeros.h>
#include <torch/csrc/autograd/autograd.h>
#include <torch/csrc/autograd/custom_function.h>

#include <algorithm>
#include <optional>

#include "core/error.h"
#include "ops/bf16_products.h"
#include "ops/operators.h"
#include "tensor/device_memory.h"
#include "tensor/shapes.h"

namespace salf::train {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

constexpr std::int64_t kTrainedHeadChunks = 4;
constexpr std::int64_t kDeviceShare = 64;
constexpr std::int64_t kMostDeviceElements = std::int64_t{1} << 28;

std::int64_t device_chunk_elements(c10::Device device) {
  static const std::int64_t total = tensor::device_memory(device).total;
  return std::clamp(total / kDeviceShare / static_cast<std::int64_t>(sizeof(float)), kChunkElements,
      kMostDeviceElements);
}

std::int64_t chunk_rows(std::int64_t vocabulary, std::int64_t chunk_elements) {
  return std::max<std::int64_t>(1, chunk_elements / std::max<std::int64_t>(1, vocabulary));
}

// An autograd function takes no undefined tensor, but it takes none at all.
std::optional<at::Tensor> present(const at::Tensor& tensor) {
  return tensor.defined() ? std::optional<at::Tensor>(tensor) : std::nullopt;
}

// Loss and gradients of all rows, in one pass over chunks.
struct Pass {
  explicit Pass(const at::Tensor& states)
      : loss(at::zeros({}, states.options().dtype(at::kDouble))), state(at::empty_like(states)) {}

  at::Tensor loss;                 // [] f64, unscaled
  at::Tensor state, weight, bias;  // gradients, scaled
};

// A head [V, D] that is trained or frozen, with its weight in the type of the states.
struct Head {
  at::Tensor weight, factor;
  at::Tensor bias;  // or undefined
};

Pass plain_pass(const at::Tensor& state, const at::Tensor& labels, const Head& head, double scale,
    std::int64_t rows) {
  const at::Tensor weight = head.factor.detach();
  const at::Tensor bias = head.bias.defined() ? head.bias.detach() : at::Tensor();
  const auto gradient = state.options().dtype(weight.scalar_type());
  Pass pass(state);
  if (head.weight.requires_grad()) pass.weight = at::zeros(weight.sizes(), gradient);
  if (bias.defined() && head.bias.requires_grad()) pass.bias = at::zeros(bias.sizes(), gradient);
  for (std::int64_t first = 0; first < state.size(0); first += rows) {
    const std::int64_t count = std::min(rows, state.size(0) - first);
    const at::Tensor chunk = state.narrow(0, first, count).to(weight.scalar_type());
    at::Tensor scores = ops::linear(chunk, weight, present(bias));
    pass.loss += ops::cross_entropy_(scores, scores, labels.narrow(0, first, count), scale);
    pass.state.narrow(0, first, count).copy_(ops::linear(scores, weight.t(), std::nullopt));
    if (pass.weight.defined()) pass.weight.addmm_(scores.t(), chunk);
    if (pass.bias.defined()) pass.bias.add_(scores.sum(0));
  }
  return pass;
}

// States in bfloat16: logits and sums are float32, and the slopes are rounded for the products.
Pass narrow_pass(const at::Tensor& state, const at::Tensor& labels, const Head& head, double scale,
    std::int64_t rows) {
  const at::Tensor weight = head.factor.detach();
  const ops::WideFactor factor(weight);
  const auto sums = state.options().dtype(at::kFloat);
  Pass pass(state);
  if (head.weight.requires_grad()) pass.weight = at::zeros(weight.sizes(), sums);
  if (head.bias.defined() && head.bias.requires_grad())
    pass.bias = at::zeros(head.bias.sizes(), sums);
  for (std::int64_t first = 0; first < state.size(0); first += rows) {
    const std::int64_t count = std::min(rows, state.size(0) - first);
    const at::Tensor chunk = state.narrow(0, first, count);
    at::Tensor scores = factor.times(chunk);
    if (head.bias.defined()) scores.add_(head.bias.detach());
    at::Tensor slope = at::empty(scores.sizes(), chunk.options());
    pass.loss += ops::cross_entropy_(slope, scores, labels.narrow(0, first, count), scale);
    scores = at::Tensor();
    pass.state.narrow(0, first, count).copy_(ops::linear(slope, weight.t(), std::nullopt));
    if (pass.weight.defined()) ops::weight_gradient(slope, chunk, pass.weight);
    if (pass.bias.defined()) pass.bias.add_(slope.sum(0, false, at::kFloat));
  }
  return pass;
}

// In place: each gradient is handed back once.
at::Tensor times(at::Tensor gradient, const at::Tensor& factor) {
  const bool one = factor.device().is_cpu() && factor.item<double>() == 1.0;
  return one ? gradient : gradient.mul_(factor.to(gradient.scalar_type()));
}

// −log likelihood of each label, [N] f64.
at::Tensor label_losses(const at::Tensor& logits, const at::Tensor& labels) {
  const at::Tensor wide = logits.scalar_type() == at::kDouble ? logits : logits.to(at::kFloat);
  return -at::_log_softmax(wide, 1, false)
              .gather(1, labels.unsqueeze(1))
              .squeeze(1)
              .to(at::kDouble);
}

// A head that does more than the product: autograd makes its gradients, one chunk at a time.
Pass general_pass(const model::GraphCut& graph, const at::Tensor& state, const at::Tensor& labels,
    double scale, std::int64_t rows) {
  Pass pass(state);
  const at::Tensor weight = graph.head_weight();
  const at::Tensor bias = graph.head_bias();
  const model::Head head = graph.head();
  const bool with_weight = weight.requires_grad();
  const bool with_bias = bias.defined() && bias.requires_grad();
  for (std::int64_t first = 0; first < state.size(0); first += rows) {
    const std::int64_t count = std::min(rows, state.size(0) - first);
    const at::AutoGradMode record(true);
    const at::Tensor chunk = state.narrow(0, first, count).detach().requires_grad_(true);
    const at::Tensor loss = label_losses(head(chunk), labels.narrow(0, first, count)).sum();
    variable_list inputs{chunk};
    if (with_weight) inputs.push_back(weight);
    if (with_bias) inputs.push_back(bias);
    const variable_list made = torch::autograd::grad({loss * scale}, inputs);
    const at::NoGradGuard quiet;
    pass.loss += loss.detach();
    pass.state.narrow(0, first, count).copy_(made[0]);
    if (with_weight) pass.weight = pass.weight.defined() ? pass.weight.add_(made[1]) : made[1];
    if (with_bias) pass.bias = pass.bias.defined() ? pass.bias.add_(made.back()) : made.back();
  }
  return pass;
}

// Gradients are made in forward; backward only multiplies them by what comes from above.
struct CrossEntropy : torch::autograd::Function<CrossEntropy> {
  static at::Tensor forward(AutogradContext* context, const at::Tensor& /*state*/,
      const at::Tensor& /*weight*/, const std::optional<at::Tensor>& /*bias*/,
      const std::function<Pass()>& make, double scale) {
    const Pass pass = make();
    context->saved_data["state"] = pass.state;
    if (pass.weight.defined()) context->saved_data["weight"] = pass.weight;
    if (pass.bias.defined()) context->saved_data["bias"] = pass.bias;
    return pass.loss * scale;
  }

  static variable_list backward(AutogradContext* context, const variable_list& outer) {
    variable_list gradients;
    for (const char* name : {"state", "weight", "bias"}) {
      const auto entry = context->saved_data.find(name);
      gradients.push_back(entry == context->saved_data.end()
                              ? at::Tensor()
                              : times(entry->second.toTensor(), outer[0]));
    }
    context->saved_data.clear();
    gradients.resize(5);  // the function and the scale have none
    return gradients;
  }
};

}  // namespace

// The gradient of the weight [V, D] is read and written once a chunk: larger chunks pay there.
std::int64_t head_chunk_rows(const at::Tensor& weight, std::int64_t chunk_elements) {
  if (!weight.device().is_cpu())
    return chunk_rows(weight.size(0), device_chunk_elements(weight.device()));
  return chunk_rows(weight.size(0),
      weight.requires_grad() ? kTrainedHeadChunks * chunk_elements : chunk_elements);
}

Supervised supervised(const at::Tensor& state, const tensor::Batch& batch) {
  tensor::check_shape(state, {batch.rows(), batch.length(), tensor::kAny}, "state before the head");
  const at::Tensor labels = batch.labels.reshape({-1});
  const at::Tensor where = labels.ne(tensor::kNoLabel).nonzero().squeeze(1);
  const bool there = batch.places.defined();
  Supervised picked;
  picked.state = state.reshape({-1, state.size(2)})
                     .index_select(0, there ? batch.places : where.to(state.device()));
  picked.labels = there ? batch.targets : labels.index_select(0, where).to(state.device());
  picked.documents = batch.documents.reshape({-1}).index_select(0, where);
  return picked;
}

at::Tensor linear_cross_entropy(const at::Tensor& state, const at::Tensor& labels,
    const at::Tensor& weight, const at::Tensor& bias, double scale, std::int64_t chunk_elements,
    const at::Tensor& factor) {
  const Head head{weight, factor.defined() ? factor : weight, bias};
  const auto make = [&] {
    const bool narrow = state.scalar_type() == at::kBFloat16;
    return (narrow ? narrow_pass : plain_pass)(
        state, labels, head, scale, head_chunk_rows(weight, chunk_elements));
  };
  return CrossEntropy::apply(state, weight, present(bias), make, scale);
}

at::Tensor head_loss(const model::GraphCut& graph, const Supervised& supervised, double scale,
    std::int64_t chunk_elements) {
  const at::Tensor& state = supervised.state;
  const at::Tensor weight = graph.head_weight();
  const at::Tensor bias = graph.head_bias();
  if (graph.map().plain_head) {
    return linear_cross_entropy(
        state, supervised.labels, weight, bias, scale, chunk_elements, graph.head_factor());
  }
  const auto make = [&] {
    return general_pass(
        graph, state, supervised.labels, scale, head_chunk_rows(weight, chunk_elements));
  };
  return CrossEntropy::apply(state, weight, present(bias), make, scale);
}

PositionScores score_positions(const model::Head& head, std::int64_t vocabulary,
    const Supervised& supervised, std::int64_t chunk_elements) {
  const at::NoGradGuard quiet;
  const std::int64_t total = supervised.labels.size(0);
  const c10::Device device = supervised.state.device();
  const std::int64_t rows =
      chunk_rows(vocabulary, device.is_cpu() ? chunk_elements : device_chunk_elements(device));
  std::vector<at::Tensor> scored;  // [2, n] f64: loss, and 1 where the guess is right
  for (std::int64_t first = 0; first < total; first += rows) {
    const std::int64_t count = std::min(rows, total - first);
    const at::Tensor labels = supervised.labels.narrow(0, first, count);
    const at::Tensor logits = head(supervised.state.narrow(0, first, count));
    scored.push_back(
        at::stack({label_losses(logits, labels), logits.argmax(1).eq(labels).to(at::kDouble)}));
  }
  if (scored.empty()) return {at::zeros({0}, at::kDouble), at::zeros({0}, at::kBool)};
  const at::Tensor all = at::cat(scored, 1).cpu();  // one wait for all of them
  return {all[0].contiguous(), all[1].to(at::kBool)};
}

}  // namespace salf::train
