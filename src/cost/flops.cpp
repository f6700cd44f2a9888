#include "cost/flops.h"

#include <algorithm>

namespace salf::cost {
namespace {

double head_product(const types::ModelShape& shape, const BatchShape& batch) {
  return 2.0 * static_cast<double>(shape.hidden) * static_cast<double>(shape.vocabulary) *
         batch.supervised_tokens;
}

double weights_product(
    const types::ModelShape& shape, std::int64_t index, const BatchShape& batch) {
  return 2.0 *
         static_cast<double>(shape.block_matrix_parameters.at(static_cast<std::size_t>(index))) *
         batch.padded_tokens;
}

// Of the branches of low rank beside a block's weights.
double branch_parameters(const types::ModelShape& shape, std::int64_t index) {
  if (shape.is_tuned_whole(index)) return 0.0;
  return static_cast<double>(shape.block_trained_parameters[static_cast<std::size_t>(index)]);
}

}  // namespace

BatchShape mean_batch(const types::DataShape& data) {
  const double batches = static_cast<double>(std::max<std::int64_t>(1, data.batches));
  return {static_cast<double>(data.padded_tokens) / batches,
      static_cast<double>(data.supervised_tokens) / batches, data.mean_length};
}

BatchShape dev_batch(const types::DataShape& data) {
  return {static_cast<double>(data.dev_padded_tokens),
      static_cast<double>(data.dev_supervised_tokens), data.mean_length};
}

double block_forward_flops(
    const types::ModelShape& shape, std::int64_t index, const BatchShape& batch) {
  const double attention = 2.0 * static_cast<double>(shape.hidden) * (batch.row_length + 1.0);
  return weights_product(shape, index, batch) + attention * batch.padded_tokens;
}

types::CostBreakdown batch_flops(
    const types::ModelShape& shape, std::int64_t cut, const BatchShape& batch) {
  types::CostBreakdown flops;
  for (std::int64_t i = 0; i < shape.blocks; ++i) {
    const double forward = block_forward_flops(shape, i, batch);
    if (i < cut) {
      flops.prefix += forward;
    } else {
      const double branches = 2.0 * branch_parameters(shape, i) * batch.padded_tokens;
      flops.suffix_forward += forward + branches;
      flops.backward += shape.is_tuned_whole(i)
                            ? 2.0 * forward
                            : 2.0 * forward - weights_product(shape, i, batch) + 2.0 * branches;
    }
  }
  flops.head = (shape.trains_embedding(cut) ? 3.0 : 2.0) * head_product(shape, batch);
  return flops;
}

double evaluation_flops(
    const types::ModelShape& shape, const BatchShape& batch, std::int64_t from) {
  double flops = head_product(shape, batch);
  for (std::int64_t i = from; i < shape.blocks; ++i) flops += block_forward_flops(shape, i, batch);
  return flops;
}

}  // namespace salf::cost
