#include <ATen/core/grad_mode.h>
#include <ATen/ops/randn.h>

#include <algorithm>
#include <map>
#include <utility>
#include <vector>

#include "core/clock.h"
#include "core/statistics.h"
#include "ops/operators.h"
#include "tensor/device.h"
#include "train/step/head_loss.h"
#include "train/timing.h"

namespace salf::train {
namespace {

constexpr int kRounds = 3;

// The median of some rounds, after a warm-up.
template <class Product>
double seconds_of(c10::Device device, const Product& product) {
  std::vector<double> seconds;
  for (int round = 0; round <= kRounds; ++round) {
    const core::Stopwatch watch;
    product();
    tensor::synchronize(device);
    if (round > 0) seconds.push_back(watch.seconds());
  }
  return core::median(seconds);
}

struct Shape {
  std::int64_t out = 0, in = 0;
  bool operator<(const Shape& other) const {
    return std::pair(out, in) < std::pair(other.out, other.in);
  }
};

// Forward and gradient to the input, and to the weight if it is trained, of x [rows, in] and weight
// [out, in].
double linear_seconds(
    const Shape& shape, std::int64_t rows, bool trained, const at::TensorOptions& options) {
  const at::Tensor x = at::randn({rows, shape.in}, options);
  const at::Tensor weight = at::randn({shape.out, shape.in}, options);
  const at::Tensor dy = at::randn({rows, shape.out}, options);
  const c10::Device device = options.device();
  double seconds = seconds_of(device, [&] { ops::linear(x, weight, std::nullopt); }) +
                   seconds_of(device, [&] { ops::linear(dy, weight.t(), std::nullopt); });
  if (trained) seconds += seconds_of(device, [&] { ops::linear(dy.t(), x.t(), std::nullopt); });
  return seconds;
}

double linear_flops(const Shape& shape, std::int64_t rows, bool trained) {
  return (trained ? 6.0 : 4.0) * static_cast<double>(shape.out) * static_cast<double>(shape.in) *
         static_cast<double>(rows);
}

}  // namespace

types::MatrixProducts time_matrix_products(const model::GraphCut& graph, const Freeze& freeze,
    std::int64_t tokens, std::int64_t supervised) {
  const at::NoGradGuard quiet;
  const at::Tensor head = graph.head_weight();
  const at::TensorOptions options = head.options().requires_grad(false);
  std::map<Shape, int> blocks;
  bool head_is_trained = false;
  for (const auto& parameter : freeze.trained()) {
    const bool is_head = parameter.tensor.is_same(head);
    head_is_trained = head_is_trained || is_head;
    if (is_head || parameter.tensor.dim() != 2 || parameter.name == graph.map().embedding_parameter)
      continue;
    ++blocks[{parameter.tensor.size(0), parameter.tensor.size(1)}];
  }
  types::MatrixProducts products;
  for (const auto& [shape, count] : blocks) {
    products.seconds += count * linear_seconds(shape, tokens, true, options);
    products.flops += count * linear_flops(shape, tokens, true);
  }
  std::map<Shape, int> beside_branches;
  for (const auto& branch : graph.lora()) ++beside_branches[{branch.layer.out, branch.layer.in}];
  for (const auto& [shape, count] : beside_branches) {
    products.seconds += count * linear_seconds(shape, tokens, false, options);
    products.flops += count * linear_flops(shape, tokens, false);
  }
  // In the chunks in which the loss multiplies.
  const Shape head_shape{head.size(0), head.size(1)};
  const std::int64_t rows = std::min(supervised, head_chunk_rows(head));
  if (rows > 0) {
    products.seconds += linear_seconds(head_shape, rows, head_is_trained, options) *
                        static_cast<double>(supervised) / static_cast<double>(rows);
    products.flops += linear_flops(head_shape, supervised, head_is_trained);
  }
  return products;
}

}  // namespace salf::train
