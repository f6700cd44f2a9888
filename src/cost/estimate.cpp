#include "cost/estimate.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "core/json.h"

namespace salf::cost {
namespace {

using types::CostBreakdown;

constexpr double CostBreakdown::*kParts[] = {&CostBreakdown::prefix, &CostBreakdown::cache,
    &CostBreakdown::suffix_forward, &CostBreakdown::head, &CostBreakdown::backward,
    &CostBreakdown::optimizer, &CostBreakdown::evaluation, &CostBreakdown::fixed};

constexpr double kBytes = 4.0;    // of a float32
constexpr double kMoments = 2.0;  // a trained parameter
// Memory that is free between tensors (tensor/pool.h): a share of what is in use, and the
// activations of so many blocks. Fitted to 26 runs in a heap, within -8 to +13 % (docs/results:
// savings.json, promises.json). Four runs in the pool are within -4 to +27 %.
constexpr double kGaps = 0.08;
constexpr double kGapBlocks = 7.0;
// Gradients that wait for a slow link, and buffers of the pieces under way.
constexpr double kBacklog = 64.0 * 1024.0 * 1024.0;

// Float32 weights in memory. Where steps read copies, all frozen ones lie in a file, else at most
// those below the cut. Branches of LoRA stand beside the weights.
double held_weights(
    const types::ModelShape& shape, std::int64_t cut, bool frozen_in_file, bool copied) {
  const auto parameters = static_cast<double>(shape.parameters);
  const auto trained = static_cast<double>(shape.trained_parameters(cut));
  if (copied) return trained;
  const double branches = shape.block_trained_parameters.empty() ? 0.0 : trained;
  if (!frozen_in_file || cut == 0) return branches + parameters;
  const double above = static_cast<double>(
      std::accumulate(shape.block_parameters.begin() + static_cast<std::ptrdiff_t>(cut),
          shape.block_parameters.end(), shape.final_parameters));
  const auto head = static_cast<double>(shape.hidden) * static_cast<double>(shape.vocabulary);
  return branches + std::min(parameters, above + head);
}

// What a trained model holds beside activations, copies and the measured rest.
struct TrainedState {
  double weights = 0.0;  // float32
  double moments = 0.0;
  double gradients = 0.0;  // while activations are let go of
};

TrainedState trained_state(const types::MeasuredCost& cost, const types::ModelShape& shape,
    std::int64_t cut, const MemoryOptions& options) {
  const auto trained = static_cast<double>(shape.trained_parameters(cut));
  TrainedState state;
  state.weights = kBytes * held_weights(shape, cut, options.frozen_in_file && !cost.on_gpu,
                               cost.copy_bytes.has_value());
  state.moments = kBytes * kMoments * trained;
  state.gradients = kBytes * trained;
  if (!options.sharded || options.ranks < 2) return state;
  const auto ranks = static_cast<double>(options.ranks);
  const bool apart = cost.copy_bytes && !cost.on_gpu && shape.block_trained_parameters.empty();
  const double blocks =
      std::accumulate(shape.block_parameters.begin() + static_cast<std::ptrdiff_t>(cut),
          shape.block_parameters.end(), 0.0);
  if (apart) state.weights -= kBytes * blocks * (1.0 - 1.0 / ranks);
  state.moments /= ranks;
  const double largest = shape.trains_embedding(cut) ? kBytes * static_cast<double>(shape.hidden) *
                                                           static_cast<double>(shape.vocabulary)
                                                     : 0.0;
  if (!options.accumulates) state.gradients = std::min(state.gradients, kBacklog + largest);
  state.gradients += kBytes * trained / ranks;
  return state;
}

// What few bits save of the frozen blocks' matrices, of which one block's are unpacked.
double saved_by_bits(const types::MeasuredCost& cost, const types::ModelShape& shape,
    std::int64_t cut, const MemoryOptions& options) {
  if (!cost.on_gpu || !(options.frozen_bytes > 0.0) || cut == 0) return 0.0;
  double elements = 0.0, largest = 0.0;
  for (std::int64_t block = 0; block < cut; ++block) {
    const auto matrices =
        static_cast<double>(shape.block_matrix_parameters.at(static_cast<std::size_t>(block)));
    elements += matrices;
    largest = std::max(largest, matrices);
  }
  const double each = cost.copy_bytes.value_or(kBytes);
  const double unpacked = kBytes + cost.copy_bytes.value_or(0.0);
  return elements * (each - options.frozen_bytes) - largest * unpacked;
}

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
  const auto trained = static_cast<double>(shape.trained_parameters(cut));
  seconds.optimizer = cost.optimizer * trained;
  seconds.fixed += cost.exchange.value_or(0.0) * trained;
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

types::MeasuredCost slowest(const std::vector<types::MeasuredCost>& ranks) {
  core::Json most = core::to_json(ranks.front());
  for (const auto& rank : ranks) {
    const core::Json one = core::to_json(rank);
    for (auto& [key, value] : most.items()) {
      if (value.is_number_float()) value = std::max(value.get<double>(), one.at(key).get<double>());
    }
  }
  types::MeasuredCost cost;
  core::from_json(most, "cost", cost);
  return cost;
}

types::MeasuredCost shared_by(std::int64_t ranks, types::MeasuredCost cost) {
  for (double* const seconds :
      {&cost.block_forward, &cost.block_forward_trained, &cost.block_backward,
          &cost.embedding_backward, &cost.head, &cost.head_trained, &cost.head_forward})
    *seconds /= static_cast<double>(ranks);
  return cost;
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

double peak_bytes(const types::MeasuredCost& cost, const types::ModelShape& shape, std::int64_t cut,
    const MemoryOptions& options) {
  if (!(cost.base_bytes > 0.0)) return 0.0;
  const auto parameters = static_cast<double>(shape.parameters);
  const double copies = cost.copy_bytes.value_or(0.0) * parameters;
  const TrainedState state = trained_state(cost, shape, cut, options);
  const auto tokens = static_cast<double>(options.batch_tokens);
  const auto blocks = static_cast<double>(shape.blocks - cut);
  const double block = cost.activation_bytes * tokens;
  const double kept = tokens * static_cast<double>(shape.hidden) * kBytes;
  const double activations = options.recompute ? block + blocks * kept : blocks * block;
  // While the backward pass makes gradients it lets go of activations.
  const double training = state.weights + state.moments + std::max(activations, state.gradients) +
                          copies + cost.base_bytes - saved_by_bits(cost, shape, cut, options);
  const double weights = cost.weights_mapped ? 0.0 : kBytes * parameters;
  const double reading = weights + copies + cost.base_bytes;
  const double heap = cost.on_gpu ? 0.0 : kGapBlocks * block;
  return (1.0 + kGaps) * std::max(training, reading) + heap;
}

}  // namespace salf::cost
