#include <ATen/core/grad_mode.h>
#include <ATen/ops/randn.h>

#include <algorithm>
#include <map>
#include <tuple>
#include <vector>

#include "core/clock.h"
#include "core/statistics.h"
#include "ops/bf16_products.h"
#include "ops/operators.h"
#include "tensor/device.h"
#include "train/step/head_loss.h"
#include "train/timing.h"

namespace salf::train {
namespace {

constexpr int kRounds = 3;

// The median of some rounds, after a warm-up.
template <class Product> double seconds_of(c10::Device device, const Product& product) {
  std::vector<double> seconds;
  for (int round = 0; round <= kRounds; ++round) {
    const core::Stopwatch watch;
    product();
    tensor::synchronize(device);
    if (round > 0) seconds.push_back(watch.seconds());
  }
  return core::median(seconds);
}

// Products with a weight [out, in].
struct Product {
  std::int64_t out = 0, in = 0;
  bool trained = false;  // the weight

  bool operator<(const Product& other) const {
    return std::tie(trained, out, in) < std::tie(other.trained, other.out, other.in);
  }

  // Forward and gradient to the input, and to the weight if it is trained, of x [rows, in].
  double seconds(std::int64_t rows, const at::TensorOptions& options) const {
    const c10::ScalarType type = c10::typeMetaToScalarType(options.dtype());
    const auto random = [&](at::IntArrayRef shape) {
      return at::randn(shape, options.dtype(c10::kFloat)).to(type);
    };
    const at::Tensor x = random({rows, in});
    const at::Tensor weight = random({out, in});
    const at::Tensor dy = random({rows, out});
    const c10::Device device = options.device();
    double sum = seconds_of(device, [&] { ops::linear(x, weight, std::nullopt); }) +
                 seconds_of(device, [&] { ops::linear(dy, weight.t(), std::nullopt); });
    if (!trained) return sum;
    return sum + seconds_of(device, [&] {
      if (type == c10::kBFloat16) {
        ops::weight_gradient(dy, x);
      } else {
        ops::linear(dy.t(), x.t(), std::nullopt);
      }
    });
  }

  double flops(std::int64_t rows) const {
    return (trained ? 6.0 : 4.0) * static_cast<double>(out) * static_cast<double>(in) *
           static_cast<double>(rows);
  }
};

}  // namespace

types::MatrixProducts time_matrix_products(const model::GraphCut& graph, const Freeze& freeze,
    std::int64_t tokens, std::int64_t supervised) {
  const at::NoGradGuard quiet;
  const at::Tensor head = graph.head_weight();
  const at::TensorOptions options = head.options().dtype(graph.type()).requires_grad(false);
  std::map<Product, int> blocks;
  Product last{head.size(0), head.size(1), false};
  for (const auto& parameter : freeze.trained()) {
    const at::Tensor& tensor = parameter.tensor;
    if (tensor.is_same(head)) {
      last.trained = true;
    } else if (tensor.dim() == 2 && parameter.name != graph.map().embedding_parameter) {
      ++blocks[{tensor.size(0), tensor.size(1), true}];
    }
  }
  for (const auto& branch : graph.lora()) ++blocks[{branch.layer.out, branch.layer.in, false}];
  types::MatrixProducts products;
  for (const auto& [product, count] : blocks) {
    products.seconds += count * product.seconds(tokens, options);
    products.flops += count * product.flops(tokens);
  }
  // In the chunks in which the loss multiplies.
  const std::int64_t rows = std::min(supervised, head_chunk_rows(head));
  if (rows > 0) {
    products.seconds +=
        last.seconds(rows, options) * static_cast<double>(supervised) / static_cast<double>(rows);
    products.flops += last.flops(supervised);
  }
  return products;
}

}  // namespace salf::train
