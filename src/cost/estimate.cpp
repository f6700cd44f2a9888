#include "cost/estimate.h"

#include <algorithm>
#include <cmath>

namespace salf::cost {
namespace {

using types::CostBreakdown;

constexpr double CostBreakdown::*kParts[] = {&CostBreakdown::prefix, &CostBreakdown::cache,
    &CostBreakdown::suffix_forward, &CostBreakdown::head, &CostBreakdown::backward,
    &CostBreakdown::optimizer, &CostBreakdown::evaluation, &CostBreakdown::fixed};

}  // namespace

types::CostBreakdown batch_seconds(const types::MeasuredCost& cost, const types::ModelShape& shape,
    std::int64_t cut, const BatchShape& batch) {
  const double frozen = static_cast<double>(cut) * batch.padded_tokens;
  const double trained = static_cast<double>(shape.blocks - cut) * batch.padded_tokens;
  const bool all = shape.trains_embedding(cut);
  types::CostBreakdown seconds;
  seconds.prefix = frozen * cost.block_forward;
  seconds.suffix_forward = trained * cost.block_forward_trained;
  seconds.backward = trained * cost.block_backward + (all ? cost.embedding_backward : 0.0);
  seconds.head = batch.supervised_tokens * (all ? cost.head_trained : cost.head);
  seconds.fixed = cost.step_fixed;
  return seconds;
}

double evaluation_seconds(
    const types::MeasuredCost& cost, std::int64_t blocks, const BatchShape& batch) {
  return static_cast<double>(blocks) * batch.padded_tokens * cost.block_forward +
         batch.supervised_tokens * cost.head_forward;
}

types::CostBreakdown step_seconds(const types::MeasuredCost& cost, const types::ModelShape& shape,
    const types::DataShape& data, std::int64_t cut, std::int64_t accumulate) {
  types::CostBreakdown seconds =
      scaled(batch_seconds(cost, shape, cut, mean_batch(data)), static_cast<double>(accumulate));
  seconds.optimizer = cost.optimizer * static_cast<double>(shape.trained_parameters(cut));
  return seconds;
}

types::CostBreakdown step_flops(const types::ModelShape& shape, const types::DataShape& data,
    std::int64_t cut, std::int64_t accumulate) {
  return scaled(batch_flops(shape, cut, mean_batch(data)), static_cast<double>(accumulate));
}

types::CostBreakdown masked_step_seconds(const types::MeasuredCost& cost,
    const types::ModelShape& shape, const types::DataShape& data,
    const std::vector<std::int64_t>& blocks, std::int64_t accumulate) {
  const std::int64_t lowest = *std::min_element(blocks.begin(), blocks.end());
  const BatchShape batch = mean_batch(data);
  types::CostBreakdown seconds =
      batch_seconds(cost, shape, std::max<std::int64_t>(1, lowest), batch);
  if (lowest == 0) {  // batch_seconds at cut 0 would train the embedding and the head
    seconds.prefix = 0.0;
    seconds.suffix_forward =
        static_cast<double>(shape.blocks) * batch.padded_tokens * cost.block_forward_trained;
  }
  const double through =
      static_cast<double>(shape.blocks - lowest) + static_cast<double>(blocks.size());
  seconds.backward = 0.5 * through * batch.padded_tokens * cost.block_backward;
  seconds = scaled(seconds, static_cast<double>(accumulate));
  double parameters = static_cast<double>(shape.final_parameters);
  for (const std::int64_t block : blocks)
    parameters += static_cast<double>(shape.block_parameters.at(static_cast<std::size_t>(block)));
  seconds.optimizer = cost.optimizer * parameters;
  return seconds;
}

double steps_for(double amount, double first, double later, double fresh) {
  const double steps = amount / first;
  return steps > fresh ? fresh + (amount - fresh * first) / later : steps;
}

std::int64_t steps_within(double seconds, double first, double later, double steps_per_epoch) {
  if (!(first > 0.0) || !(later > 0.0) || !(seconds > 0.0)) return 0;
  const double steps = steps_for(seconds, first, later, steps_per_epoch);
  return static_cast<std::int64_t>(std::floor(std::min(steps, 1e15) * (1.0 + 1e-12)));
}

double save_seconds(const types::MeasuredCost& cost, const types::ModelShape& shape) {
  return cost.save * static_cast<double>(shape.parameters);
}

types::CostBreakdown scaled(const types::CostBreakdown& one, double count) {
  types::CostBreakdown many;
  for (const auto part : kParts) many.*part = one.*part * count;
  return many;
}

types::CostBreakdown sum(const types::CostBreakdown& a, const types::CostBreakdown& b) {
  types::CostBreakdown total;
  for (const auto part : kParts) total.*part = a.*part + b.*part;
  return total;
}

}  // namespace salf::cost
