#include "generate/sampling.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/argmax.h>
#include <ATen/ops/softmax.h>
#include <ATen/ops/sort.h>

#include <cmath>

#include "core/error.h"

namespace salf::generate {

at::Tensor probabilities(const at::Tensor& logits, const Sampling& sampling) {
  const at::Tensor wide = logits.to(at::kCPU, at::kDouble) / sampling.temperature;
  at::Tensor shares = at::softmax(wide, 0);
  if (sampling.top_p >= 1.0) return shares;
  const auto [sorted, order] = at::sort(shares, /*stable=*/true, /*dim=*/0, /*descending=*/true);
  // A token stays where those before it have less than top_p: the first always does.
  const at::Tensor stays = (sorted.cumsum(0) - sorted) < sampling.top_p;
  shares = at::Tensor(shares).index_fill(0, order.masked_select(stays.logical_not()), 0.0);
  return shares / shares.sum();
}

std::int64_t next_token(const at::Tensor& logits, const Sampling& sampling, core::Random& random) {
  if (!std::isfinite(logits.max().item<double>())) {
    throw Error(ErrorKind::kBadModel,
        "the model's logits are not finite: its weights hold NaN, infinite or far too large "
        "values");
  }
  if (sampling.temperature == 0.0) return at::argmax(logits).item<std::int64_t>();
  const at::Tensor sums = probabilities(logits, sampling).cumsum(0);
  const double place = random.uniform() * sums[-1].item<double>();
  // The first token whose sum is beyond the place, and that has a share.
  return (sums > place).to(at::kInt).argmax().item<std::int64_t>();
}

}  // namespace salf::generate
